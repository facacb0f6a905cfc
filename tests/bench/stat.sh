#!/bin/bash
# stat.sh: neighbours, k-means and the Frechet distance beside faiss and scipy, alternately in one run; the best of
# REPEATS each, as TSV with the ratio of times.  PEER is a python with faiss and scipy (else nothing is compared).  The peer runs twice: as
# it comes, and with OPENBLAS_CORETYPE as our programs would set it, since its own OpenBLAS may not know this processor either.
cd "$(dirname "$0")/../.." || exit
PEER=${PEER:-python3}
REPEATS=${REPEATS:-3}
ours=${BIN:-build/bin}/../bench/stat
core=$(awk '/^flags/ { print / avx512f / ? "SkylakeX" : / avx2 / ? "Haswell" : ""; exit }' /proc/cpuinfo)

"$PEER" -c 'import faiss, scipy' 2>/dev/null || { echo "# no faiss and scipy for $PEER: nothing to compare with"; exit 0; }

# best FILE: the line with the least time.
best()
{
	sort -t "$(printf '\t')" -k 2,2g "$1" | head -n 1
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
printf '#what\tours_s\tpeer_s\tratio\tpeer_tuned_s\tratio_tuned\tours\tpeer\n'
for job in "knn 8000 2048 50" "kmeans 20000 2048 500 5" "frechet 2048"; do
	rm -f "$tmp"/*
	for _ in $(seq "$REPEATS"); do
		$ours $job >>"$tmp/ours" || exit
		"$PEER" tests/bench/peer/stat.py $job 2>/dev/null >>"$tmp/peer" || exit
		OPENBLAS_CORETYPE=$core "$PEER" tests/bench/peer/stat.py $job 2>/dev/null >>"$tmp/tuned" || exit
	done
	paste <(best "$tmp/ours") <(best "$tmp/peer") <(best "$tmp/tuned") | awk -F '\t' -v OFS='\t' '{
		print $1, $2, $5, sprintf("%.2f", $5 / $2), $8, sprintf("%.2f", $8 / $2), $3, $6 }'
done
