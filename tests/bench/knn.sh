#!/bin/bash
# knn.sh: ic-knn beside faiss on the same rows, alternately; the best of REPEATS each, how many rows
# have another set of neighbours, and of these whose last is farther in ours: none, where faiss
# decides in float and ours in double.  PEER is a python with faiss.  Ours includes reading the store
# and writing the neighbours; faiss's is the search alone, with the kernels that suit the processor.
cd "$(dirname "$0")/../.." || exit
PEER=${PEER:-python3}
REPEATS=${REPEATS:-3}
ROWS=${ROWS:-20000}
export PATH="${BIN:-build/bin}:$PATH"
peer=tests/bench/peer/knn.py
core=$(awk '/^flags/ { print / avx512f / ? "SkylakeX" : / avx2 / ? "Haswell" : ""; exit }' /proc/cpuinfo)

"$PEER" -c 'import faiss' 2>/dev/null || { echo "# no faiss for $PEER: nothing to compare with"; exit 0; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
TIMEFORMAT='%R %U %S'
printf '#rows\tours_s\tours_cpu_s\tfaiss_s\tfaiss_cpu_s\tratio\tratio_cpu\tdiffering\tfarther\n'
for kind in random clustered; do
	rm -f "$tmp"/*
	"$PEER" $peer make $kind "$ROWS" 2048 "$tmp/x.npy" || exit
	ic-store load -q "$tmp/x.npy" -o "$tmp/x.mdb" 2>/dev/null || exit
	for _ in $(seq "$REPEATS"); do
		{ time ic-knn -q -f --metric l2 -k 50 "$tmp/x.mdb" -o "$tmp/near.mdb" >/dev/null; } 2>>"$tmp/ours" || exit
		OPENBLAS_CORETYPE=$core "$PEER" $peer search "$tmp/x.npy" 50 "$tmp/ids.npy" >>"$tmp/theirs" || exit
	done
	ic-store export "$tmp/near.mdb" -o "$tmp/near.safetensors" 2>/dev/null || exit
	paste <(awk '{ print $1 "\t" $2 + $3 }' "$tmp/ours" | sort -g | head -n 1) <(sort -g "$tmp/theirs" | head -n 1) \
		<("$PEER" $peer compare "$tmp/ids.npy" "$tmp/near.safetensors" "$tmp/x.npy") |
		awk -v what="$kind $ROWS x 2048, k 50" -v OFS='\t' '{ print what, $1, $2, $3, $4,
			sprintf("%.2f", $3 / $1), sprintf("%.2f", $4 / $2), $5, $6 }'
done
