#!/bin/sh
# Two hosts of two ranks each, on one machine: each host is a network namespace of its own, and
# every message between them crosses the cable laid here. Needs root and iproute2 (Linux).
#
#     sudo PYTHON=.venv/bin/python sh examples/two_hosts.sh [SCRIPT]
#
# On real hosts run the torchrun line alone, with the address of the first host.
set -eu
python=${PYTHON:-python3}
script=${1:-$(dirname "$0")/ddp.py}
a=qring-host-a-$$ b=qring-host-b-$$
TMPDIR=$(mktemp -d) && export TMPDIR  # torchrun leaves a folder of logs a host
trap 'ip netns del $a 2>/dev/null || :; ip netns del $b 2>/dev/null || :; rm -r "$TMPDIR"' EXIT

ip netns add $a
ip netns add $b
ip link add cable-a netns $a type veth peer name cable-b netns $b
for end in "$a cable-a 10.77.1.1/24" "$b cable-b 10.77.1.2/24"; do
    set -- $end
    ip -n "$1" addr add "$3" dev "$2"
    ip -n "$1" link set "$2" up
    ip -n "$1" link set lo up
done

export OMP_NUM_THREADS=1
host() {
    ip netns exec "$1" "$python" -m torch.distributed.run --nnodes=2 --node-rank="$2" \
        --nproc-per-node=2 --master-addr=10.77.1.1 --master-port=29500 "$script"
}
host $b 1 &
host $a 0
wait $!
