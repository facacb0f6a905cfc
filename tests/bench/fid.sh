#!/bin/bash
# fid.sh: what ic-fid costs, on rows of 2048: the distance from statistics beside scipy's, that of
# ROWS rows against stored statistics, and the metrics over pairs of rows at two sizes.  Each may
# allocate ALLOWED MiB and no more; what is mapped of stores comes on top in the peak.  PEER is a
# python with scipy (else nothing is compared), alternately with ours on one core and on all; the
# best of REPEATS.
cd "$(dirname "$0")/../.." || exit
PEER=${PEER:-python3}
REPEATS=${REPEATS:-2}
ROWS=${ROWS:-50000}
PAIRS=${PAIRS:-4000 8000}
ALLOWED=${ALLOWED:-768}
bin=${BIN:-build/bin}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

rows() { "$bin/../bench/fid" rows "$1" 2048 "$2" "$3" || exit; }

# compare WHAT COLUMN CORES: the least times of ours and of the peer.
compare()
{
	for who in ours peer; do
		sort -t "$(printf '\t')" -k "$2,${2}g" "$tmp/$who.$3" | head -n 1 >"$tmp/$who"
	done
	paste "$tmp/ours" "$tmp/peer" | awk -F '\t' -v OFS='\t' -v what="$1" -v c="$2" '{
		print what, $c, $(c + 3), sprintf("%.1f", $(c + 3) / $c), $3, $6 }'
}

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
	for cores in 0 "0-$(($(nproc) - 1))"; do
		taskset -c "$cores" "$bin/../bench/fid" distance "$tmp/real.npz" "$tmp/fake.npz" \
			>>"$tmp/ours.$cores" || exit
		taskset -c "$cores" "$PEER" tests/bench/peer/fid.py "$tmp/real.npz" "$tmp/fake.npz" \
			2>/dev/null >>"$tmp/peer.$cores" || exit
	done
done
version=$("$PEER" -c 'import scipy; print(scipy.__version__)')
printf '#distance from statistics\tours_s\tscipy_s\tratio\tours\tscipy %s\n' "$version"
compare "CPU time on one core" 2 0
compare "time on $(nproc) cores" 1 "0-$(($(nproc) - 1))"
