#!/usr/bin/env bash
# The grid that a board of GPU runs wants, a stage a call, on a GPU that is lent for so long: the most valuable cells
# first, none that is not likely to end in time.
#
#     benchmarks/fill_board.sh STAGE DATA RESULTS LIMIT [OPTIONS OF bench run]
#
# STAGE, in order of value; anchors take hours, so with half an hour `paper` goes first:
#   rates    ReLU's validation over a grid of learning rates on CIFAR-10 (profile small): a recipe that fails ReLU makes
#            whatever stands beside it look good, so it is the first thing to know of one that never ran. It is
#            `bench tune`, with that one's options, and is broken off at the limit
#   anchors  ReLU by the published protocols (profile paper), of what no CPU has reproduced yet: is it? Algorithms are first
#   paper    the functions of "Mining Generalizable Activation Functions" beside ReLU (profile small): 10 seeds of
#            CIFAR-10 and molhiv, 5 of each algorithm of CLRS-30 that is named below, 20 of the lab
#   field    what people use, and the eight of "Searching for Activation Functions", 5 seeds
#   mined    our own finds, 5 seeds
#   images   ResNet-50 on Tiny-ImageNet-10k, 1 seed
#   rest     every algorithm of CLRS-30 for the functions of the paper, 5 seeds
# Below 5 seeds a board gives no verdict: `rates`, `images` and `anchors` are scores alone.
# LIMIT is written like 9m. Each part of a stage gets a share of what is left of it. The records go to RESULTS/local: a
# later call with the same folder goes on where this one stopped. RESULTS is results, or a folder outside of the
# checkout: a stray one inside would be a change to the source, and records of a changed source are not published. DATA
# wants cifar10, molhiv, clrs30 and tiny-imagenet-10k prepared. The status is 1 where a cell failed or data is absent,
# and the other parts run all the same; it is 2 where nothing was run.
# On a machine without this repository's history a record cannot name its commit, and is not published: take
# `git clone --depth 1` there, not a copy of the files.
set -euo pipefail
SECONDS=0
if [ $# -lt 4 ]; then
    sed -n '/^#!/d; /^#/!q; s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
stage=$1 data=$2 results=$3 failed=0 least=5 called=0
command -v bench >/dev/null || {
    echo "there is no command bench: . .venv/bin/activate first" >&2
    exit 2
}
if [ ! -d "$data" ] || [ -z "$results" ]; then
    echo "DATA must be a folder with the data sets, and RESULTS name one: got '$data' and '$results'" >&2
    exit 2
fi
checkout=$(realpath "$(dirname "$0")/..")
case $(realpath -m "$results") in
"$checkout/results") ;;
"$checkout" | "$checkout"/*)
    echo "RESULTS lies in the checkout, so its records could not be published: name results, or a folder outside" >&2
    exit 2
    ;;
esac
total=$(python3 -c '
import sys
from bench.errors import UsageError
from bench.estimate import parse_duration
try:
    print(int(parse_duration(sys.argv[1])))
except UsageError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
' "$4")
for option in "${@:5}"; do
    case $option in
    --time-limit | --time-limit=*)
        echo "the time limit is the fourth argument, LIMIT: leave $option out" >&2
        exit 2
        ;;
    esac
done
unanchored=clrs30-bfs,clrs30-bellman_ford,clrs30-dag_shortest_paths,clrs30-minimum,clrs30-insertion_sort
first=$unanchored,clrs30-segments_intersect

# call SECONDS COMMAND...: the command, if so many seconds are enough to begin with. What failed cells, absent data or the
# end of the time left undone is noted; whatever else goes wrong ends the script.
call() {
    local status=0
    if [ "$1" -lt "$least" ]; then
        echo "skipped, with less than $least seconds left for it: ${*:2}" >&2
        return
    fi
    called=1
    "${@:2}" || status=$?
    case $status in
    0) ;;
    1 | 124)
        echo "not all of it ran: ${*:2}" >&2
        failed=1
        ;;
    *) exit "$status" ;;
    esac
}

# part SHARE OPTIONS...: `bench run` with a share of what is left of the limit, in percent.
part() {
    local seconds=$(((total - SECONDS) * $1 / 100))
    call "$seconds" bench run --data "$data" --results "$results" --time-limit "$seconds" "${@:2}"
}

case $stage in
rates)
    call "$total" timeout --foreground "$total" bench tune --data "$data" --results "$results" --profile small \
        --activations relu --seeds 0 --tasks cifar10-resnet18,cifar10-vgg16 "${@:5}"
    ;;
anchors)
    part 100 --profile paper --activations relu --seeds 0-2 --tasks "$unanchored,cifar10-resnet18" "${@:5}"
    ;;
paper)
    part 50 --profile small --activations @paper --seeds 0-9 --tasks cifar10-resnet18,cifar10-vgg16,molhiv-gcn "${@:5}"
    part 60 --profile small --activations @paper --seeds 0-4 --tasks "$first" "${@:5}"
    part 100 --profile small --activations @paper --seeds 0-19 --tasks 'lab-*' "${@:5}"
    ;;
field)
    part 100 --profile small --activations @field,@swish-paper --seeds 0-4 \
        --tasks "cifar10-resnet18,molhiv-gcn,$first,lab-*" "${@:5}"
    ;;
mined)
    part 100 --profile small --activations @mined --seeds 0-4 --tasks "cifar10-resnet18,molhiv-gcn,$first,lab-*" "${@:5}"
    ;;
images)
    part 100 --profile small --activations @paper --seeds 0 --tasks tiny-imagenet-10k-resnet50 "${@:5}"
    ;;
rest)
    part 100 --profile small --activations @paper --seeds 0-4 --tasks 'clrs30-*' "${@:5}"
    ;;
*)
    echo "no stage is called $stage: there are rates, anchors, paper, field, mined, images and rest" >&2
    exit 2
    ;;
esac
if [ "$called" -eq 0 ]; then
    echo "nothing was run: a longer LIMIT starts something" >&2
    exit 2
fi
exit "$failed"
