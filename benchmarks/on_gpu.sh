#!/usr/bin/env bash
# Every speed benchmark on a GPU, a table each in OUT, the most wanted first: stop it when the GPU is due back.
#
#     benchmarks/on_gpu.sh DATA OUT            # on a GPU
#     benchmarks/on_gpu.sh DATA OUT cpu quick  # a dry run of every script at small sizes; its figures mean nothing
#
# TIMM_SCRIPT (timm's train.py) and OGB_EXAMPLE (OGB's examples/graphproppred/mol) name others' scripts to run beside ours.
# PYTHON names the interpreter, SECONDS_EACH the most that a table may take (600).
set -uo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
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
    if timeout "${SECONDS_EACH:-600}" "$python" "benchmarks/$2.py" "${@:3}" --device "$device" >"$out/$name.md" 2>"$out/$name.log"; then
        echo "$name: $((SECONDS - begun)) s"
    else
        echo "$name failed after $((SECONDS - begun)) s: see $out/$name.log"
        failed=1
    fi
}

few=() networks=(resnet18 resnet50)
if [ -n "$quick" ]; then
    few=(--activations gelu-sinc-perturbation --repeats 2 --shape 4 16 8 8)
    networks=(resnet18)
fi

table activation_exactness activation_speed --check "${few[@]:0:2}"
table activation_speed-bfloat16 activation_speed --dtype bfloat16 "${few[@]}" --parts functions
table activation_speed-float32 activation_speed "${few[@]}" --parts functions saved
table activation_compile activation_speed --activations gelu-sinc-perturbation --parts compile
[ -n "$quick" ] || table activation_network activation_speed --parts network
table vision_speed vision_speed --networks "${networks[@]}" ${quick:+--rounds 1 --steps 4} \
    ${TIMM_SCRIPT:+--script "$TIMM_SCRIPT"}
table vision_profile vision_speed --networks "${networks[@]}" --profile ${quick:+--steps 4}
table molecule_speed molecule_speed --data "$data" ${quick:+--rounds 1 --batches 5} ${OGB_EXAMPLE:+--script "$OGB_EXAMPLE"}
table molecule_profile molecule_speed --data "$data" --profile ${quick:+--batches 5}
for task in lab-polynomials clrs30-bellman_ford; do
    table "seeds_together-$task" seeds_together --tasks "$task" ${quick:+--steps 5 --together 1 2}
done
table clrs_speed clrs_speed loops ${quick:+--steps 10 --rounds 1}
table clrs_profile clrs_speed profile ${quick:+--steps 10}
table start_up start_up --data "$data" --profile "${START_UP_PROFILE:-small}" --repeats 1 ${quick:+--tasks lab-polynomials}
exit $failed
