#!/bin/bash
# fid.sh: what ic-fid costs, on rows of 2048: the distance from statistics beside scipy's, that of ROWS rows against
# stored statistics, and the metrics over pairs of rows at two sizes.  Each may allocate ALLOWED MiB and no more; what is
# mapped of stores comes on top in the peak.  PEER is a python with scipy (else nothing is compared): on one thread,
# where it loses no time waiting, with the kernels our programs would choose; the best of REPEATS by CPU time.
cd "$(dirname "$0")/../.." || exit
PEER=${PEER:-python3}
REPEATS=${REPEATS:-2}
ROWS=${ROWS:-50000}
PAIRS=${PAIRS:-4000 8000}
ALLOWED=${ALLOWED:-768}
bin=${BIN:-build/bin}
core=$(awk '/^flags/ { print / avx512f / ? "SkylakeX" : / avx2 / ? "Haswell" : ""; exit }' /proc/cpuinfo)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

rows() { "$bin/../bench/fid" rows "$1" 2048 "$2" "$3" || exit; }

# best FILE: of lines "wall CPU value" the one with the least CPU time.
best() { sort -t "$(printf '\t')" -k 2,2g "$1" | head -n 1; }

# cost WHAT COMMAND...: one line from the closing report of a program.
cost()
{
	local what=$1
	shift
	(ulimit -d $((ALLOWED * 1024)) && exec "$@" -v >"$tmp/out" 2>"$tmp/err") || { cat "$tmp/err" >&2; exit 1; }
	sed -nE "s/.* in ([0-9.]+) s .*, ([0-9.]+) s CPU, ([0-9.]+) MiB.*/$what\t\1\t\2\t\3/p" "$tmp/err"
}

printf '#what\twall_s\tcpu_s\tpeak_MiB\n'
rows "$ROWS" 1 "$tmp/real.mdb"
rows "$ROWS" 2 "$tmp/fake.mdb"
cost "statistics of $ROWS rows" "$bin/ic-fid" -q --save-stats "$tmp/real.npz" "$tmp/real.mdb"
cost "distance of $ROWS rows from statistics" "$bin/ic-fid" -q "$tmp/real.npz" "$tmp/fake.mdb"
cost "and its standard error" "$bin/ic-fid" -q --metrics se "$tmp/real.npz" "$tmp/fake.mdb"
"$bin/ic-fid" -q --save-stats "$tmp/fake.npz" "$tmp/fake.mdb" || exit
rm "$tmp"/*.mdb
for n in $PAIRS; do
	rows "$n" 1 "$tmp/real.mdb"
	rows "$n" 2 "$tmp/fake.mdb"
	for metric in kid prdc mind; do
		cost "$metric of $n and $n rows" "$bin/ic-fid" -q --metrics "$metric" "$tmp/real.mdb" "$tmp/fake.mdb"
	done
done
"$PEER" -c 'import scipy' 2>/dev/null || { echo "# no scipy for $PEER: nothing to compare with"; exit 0; }
for _ in $(seq "$REPEATS"); do
	"$bin/../bench/fid" distance "$tmp/real.npz" "$tmp/fake.npz" >>"$tmp/ours" || exit
	OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=$core "$PEER" tests/bench/peer/fid.py "$tmp/real.npz" "$tmp/fake.npz" \
		2>/dev/null >>"$tmp/peer" || exit
done
printf '#distance from statistics\twall_s\tcpu_s\tvalue\n'
printf 'ours\t%s\n' "$(best "$tmp/ours")"
printf "$("$PEER" -c 'import scipy; print("scipy", scipy.__version__)')\t%s\n" "$(best "$tmp/peer")"
paste <(best "$tmp/ours") <(best "$tmp/peer") | awk -F '\t' '{ printf "#ratio of CPU times\t\t%.1f\t\n", $5 / $2 }'
