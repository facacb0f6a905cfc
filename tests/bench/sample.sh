#!/bin/bash
# sample.sh: from the start of the program to the first picture, and to the first 32 of StyleGAN2, of
# generators of published size in a .pth file, beside PyTorch on the same file, alternately in one run; the least wall clock and CPU
# seconds of REPEATS each, as TSV with their ratios, and how far the bytes of the pictures are apart
# at most.  PEER is a python with torch (else nothing is compared).
PEER=$(command -v "${PEER:-python3}")
REPEATS=${REPEATS:-5}
cd "$(dirname "$0")/../.." || exit
peer=$PWD/tests/bench/peer
PATH=$(cd "${BIN:-build/bin}" && pwd):$PATH

version=$("$PEER" -c 'import torch; print("torch", torch.__version__)' 2>/dev/null) ||
	{ echo "# no torch for $PEER: nothing to compare with"; exit 0; }

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit
TIMEFORMAT='%R %U %S'

# timed FILE COMMAND...: a line of wall clock and CPU seconds.
timed()
{
	local to=$1
	shift
	{ time "$@" >picture 2>err; } 2>time || { cat err >&2; exit 1; }
	awk '{ print $1, $2 + $3 }' time >>"$to"
}
least() { sort -k "$2,$2g" "$1" | head -n 1 | cut -d ' ' -f "$2"; }
bytes() { tail -c "$((3 * $2 * $2))" "$1" | od -An -v -tu1 -w1; }

printf '#model\tours_s\tpeer_s\tratio\tours_cpu_s\tpeer_cpu_s\tratio_cpu\tapart\tpeer\n'
for model in "icgan64x64 64 64 1" "icgan256x64 256 64 1" "icgan256x96 256 96 1" \
	"stylegan2-128 128 style 1" "stylegan2-128x32 128 style 32"; do
	read -r name side ch rows <<<"$model"
	rm -f ours peer
	"$PEER" "$peer/new_generator.py" "$side" "$ch" "$rows" . || exit
	for _ in $(seq "$REPEATS"); do
		timed ours ic-sample -m G_ema.pth f.npy --noise z.npy
		bytes picture "$side" >one
		timed peer "$PEER" "$peer/sample.py" G_ema.pth z.npy f.npy
		bytes picture "$side" >two
	done
	apart=$(paste one two | awk '{ d = $1 > $2 ? $1 - $2 : $2 - $1 } d > most { most = d }
		END { print most + 0 }')
	echo "$(least ours 1) $(least peer 1) $(least ours 2) $(least peer 2)" |
		awk -v OFS='\t' -v model="$name" -v apart="$apart" -v peer="$version" '{
			print model, $1, $2, sprintf("%.1f", $2 / $1), $3, $4,
				sprintf("%.1f", $4 / $3), apart, peer }'
done
