#!/usr/bin/env bash
# The grid behind the published board, a stage a call, on a GPU that is lent for so long: the most valuable cells first,
# none that cannot end in time.
#
#     benchmarks/fill_board.sh STAGE DATA RESULTS LIMIT [OPTIONS OF bench run]
#
# STAGE, in order of value:
#   anchors  ReLU by the published protocols (profile paper): is anything reproduced? Hours of one GPU; algorithms are
#            first, minutes each
#   paper    the functions of "Mining Generalizable Activation Functions" beside ReLU (profile small): 10 seeds of
#            CIFAR-10 and molhiv, 3 of each algorithm of CLRS-30, 20 of the lab
#   field    what people use, and the eight of "Searching for Activation Functions", 3 seeds
#   mined    our own finds, 3 seeds
#   images   ResNet-50 on Tiny-ImageNet-10k, 1 seed
#   rest     every algorithm of CLRS-30 for the functions of the paper, 3 seeds
# LIMIT is written like 9m. The records go to RESULTS/local: a later call with the same folder goes on where this one
# stopped. Give the most of a lent hour to `paper`. DATA wants cifar10, molhiv, clrs30 and tiny-imagenet-10k prepared.
# On a machine without this repository's history a record cannot name its commit, and is not published: take
# `git clone --depth 1` there, not a copy of the files.
set -euo pipefail
if [ $# -lt 4 ]; then
    sed -n '2,22s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
stage=$1 data=$2 results=$3 limit=$4
first=clrs30-bfs,clrs30-bellman_ford,clrs30-dag_shortest_paths,clrs30-minimum,clrs30-segments_intersect,clrs30-insertion_sort

# part SHARE OPTIONS...: `bench run` with a share of the limit, in percent.
part() {
    local seconds
    seconds=$(python3 -c "import sys; from bench.estimate import parse_duration as of; print(int(of(sys.argv[1]) * $1 / 100))" "$limit")
    bench run --data "$data" --results "$results" --time-limit "$seconds" "${@:2}"
}

case $stage in
anchors)
    part 100 --profile paper --activations relu --seeds 0-2 --tasks "$first,molhiv-gcn,cifar10-resnet18" "${@:5}"
    ;;
paper)
    part 50 --profile small --activations @paper --seeds 0-9 --tasks cifar10-resnet18,cifar10-vgg16,molhiv-gcn "${@:5}"
    part 30 --profile small --activations @paper --seeds 0-2 --tasks "$first" "${@:5}"
    part 20 --profile small --activations @paper --seeds 0-19 --tasks 'lab-*' "${@:5}"
    ;;
field)
    part 100 --profile small --activations @field,@swish-paper --seeds 0-2 \
        --tasks "cifar10-resnet18,molhiv-gcn,$first,lab-*" "${@:5}"
    ;;
mined)
    part 100 --profile small --activations @mined --seeds 0-2 --tasks "cifar10-resnet18,molhiv-gcn,$first,lab-*" "${@:5}"
    ;;
images)
    part 100 --profile small --activations @paper --seeds 0 --tasks tiny-imagenet-10k-resnet50 "${@:5}"
    ;;
rest)
    part 100 --profile small --activations @paper --seeds 0-2 --tasks 'clrs30-*' "${@:5}"
    ;;
*)
    echo "no stage is called $stage: there are anchors, paper, field, mined, images and rest" >&2
    exit 2
    ;;
esac
