#!/bin/bash
# knn.sh: ic-knn beside faiss on the same rows, alternately: random, clustered, and the features of
# so many pictures of Fashion-MNIST, which are made once and kept in FEATURES; the best of REPEATS
# each, how many rows have another set of neighbours, and of these whose last is farther in ours:
# none, where faiss decides in float and ours in double.  PEER is a python with faiss.  Ours includes
# reading the store and writing the neighbours; faiss's is the search alone, with the kernels that
# suit the processor.
cd "$(dirname "$0")/../.." || exit
PEER=${PEER:-python3}
REPEATS=${REPEATS:-3}
ROWS=${ROWS:-20000}
FEATURES=${FEATURES:-build/bench/fashion-$ROWS.mdb}
PICTURES=${PICTURES:-/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz}
export PATH="${BIN:-build/bin}:$PATH"
peer=tests/bench/peer/knn.py
core=$(awk '/^flags/ { print / avx512f / ? "SkylakeX" : / avx2 / ? "Haswell" : ""; exit }' /proc/cpuinfo)

"$PEER" -c 'import faiss' 2>/dev/null || { echo "# no faiss for $PEER: nothing to compare with"; exit 0; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
TIMEFORMAT='%R %U %S'

# The rows of a kind as x.npy and x.mdb.
make_rows()
{
	rm -f "$tmp"/*
	if [ "$1" = features ]; then
		[ -e "$FEATURES" ] || ic-pack -q --size 32 -n "$ROWS" "$PICTURES" | ic-embed -q - -o "$FEATURES" || return
		cp "$FEATURES" "$tmp/x.mdb" && ic-store export "$tmp/x.mdb" -o "$tmp/x.npy" 2>/dev/null
	else
		"$PEER" $peer make "$1" "$ROWS" 2048 "$tmp/x.npy" && ic-store load -q "$tmp/x.npy" -o "$tmp/x.mdb" 2>/dev/null
	fi
}

printf '#rows\tours_s\tours_cpu_s\tfaiss_s\tfaiss_cpu_s\tratio\tratio_cpu\tdiffering\tfarther\n'
for kind in random clustered features; do
	make_rows $kind || exit
	width=$(ic-store ls "$tmp/x.mdb" | awk 'END { sub(/.*x/, "", $4); print $4 }')
	for _ in $(seq "$REPEATS"); do
		{ time ic-knn -q -f --metric l2 -k 50 "$tmp/x.mdb" -o "$tmp/near.mdb" >/dev/null; } 2>>"$tmp/ours" || exit
		OPENBLAS_CORETYPE=$core "$PEER" $peer search "$tmp/x.npy" 50 "$tmp/ids.npy" >>"$tmp/theirs" || exit
	done
	ic-store export "$tmp/near.mdb" -o "$tmp/near.safetensors" 2>/dev/null || exit
	paste <(awk '{ print $1 "\t" $2 + $3 }' "$tmp/ours" | sort -g | head -n 1) <(sort -g "$tmp/theirs" | head -n 1) \
		<("$PEER" $peer compare "$tmp/ids.npy" "$tmp/near.safetensors" "$tmp/x.npy") |
		awk -v what="$kind $ROWS x $width, k 50" -v OFS='\t' '{ print what, $1, $2, $3, $4,
			sprintf("%.2f", $3 / $1), sprintf("%.2f", $4 / $2), $5, $6 }'
done
