#!/usr/bin/env bash
# The speed benchmarks on a GPU, a table each in OUT, the most wanted first: stop it when the GPU is due back.
#
#     benchmarks/on_gpu.sh DATA OUT            # on a GPU
#     benchmarks/on_gpu.sh DATA OUT cpu quick  # a dry run of every script at small sizes; its figures mean nothing
#
# TIMM_SCRIPT (timm's train.py) and OGB_EXAMPLE (OGB's examples/graphproppred/mol) name others' scripts to run beside ours.
# PYTHON names the interpreter, SECONDS_EACH the most that a table may take (600): one that takes longer is lost, the
# heads of its file aside.
set -uo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
mkdir -p "$2"
data=$(realpath "$1") out=$(realpath "$2") device=${3:-cuda} quick=${4:-}
python=${PYTHON:-$(command -v python3 || command -v python)}
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"  # this checkout, whichever is installed
failed=0

# table NAME SCRIPT OPTIONS...: a failing script takes no other with it.
table() {
    local name=$1 begun=$SECONDS
    if timeout "${SECONDS_EACH:-600}" "$python" -u "benchmarks/$2.py" "${@:3}" --device "$device" >"$out/$name.md" 2>"$out/$name.log"; then
        echo "$name: $((SECONDS - begun)) s"
    else
        echo "$name failed after $((SECONDS - begun)) s: see $out/$name.log"
        failed=1
    fi
}

few=(silu mish hardswish softplus snake gelu-sine gelu-sinc-perturbation) sizes=() networks=(resnet18 resnet50)
lab_steps=1000 clrs_steps=200
if [ -n "$quick" ]; then
    few=(gelu-sinc-perturbation) sizes=(--repeats 2 --shape 4 16 8 8) networks=(resnet18)
    lab_steps=5 clrs_steps=5
fi

table activation_exactness activation_speed --check --activations "${few[@]}"
table activation_speed-bfloat16 activation_speed --dtype bfloat16 --activations "${few[@]}" "${sizes[@]}" --parts functions
table activation_speed-float32 activation_speed --activations "${few[@]}" "${sizes[@]}" --parts functions saved
table activation_compile activation_speed --activations gelu-sinc-perturbation --parts compile
[ -n "$quick" ] || table activation_network activation_speed --parts network
table vision_speed vision_speed --networks "${networks[@]}" ${quick:+--rounds 1 --steps 4} \
    ${TIMM_SCRIPT:+--script "$TIMM_SCRIPT"}
table vision_profile vision_speed --networks "${networks[@]}" --profile ${quick:+--steps 4}
table molecule_speed molecule_speed --data "$data" ${quick:+--rounds 1 --batches 5} ${OGB_EXAMPLE:+--script "$OGB_EXAMPLE"}
table molecule_profile molecule_speed --data "$data" --profile ${quick:+--batches 5}
table seeds_together-lab seeds_together --tasks lab-polynomials --steps "$lab_steps" ${quick:+--together 1 2}
table seeds_together-clrs seeds_together --tasks clrs30-bellman_ford --steps "$clrs_steps" ${quick:+--together 1 2}
table clrs_speed clrs_speed loops ${quick:+--steps 10 --rounds 1}
table clrs_profile clrs_speed profile ${quick:+--steps 10}
[ -n "$quick" ] || table mining_speed mining_speed
table start_up start_up --data "$data" --profile "${START_UP_PROFILE:-small}" --repeats 1 ${quick:+--tasks lab-polynomials}
exit $failed
