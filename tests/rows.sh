# rows: feature rows as text that tests draw; sourced after tap.sh.

# clusters N WIDTH SEED C SPREAD: labelled features in C clusters, each SPREAD wide; keys 1, 4, 7 ...
clusters()
{
	awk -v n="$1" -v w="$2" -v seed="$3" -v c="$4" -v spread="$5" 'BEGIN {
		srand(seed)
		printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t%d\n#root\t%016x\n", w, 77
		printf "#meta\tnet=test\n#key\tlabel\tvalues\n"
		for (i = 0; i < n; i++) {
			at = int(rand() * c)
			printf "%d\t%d", 3 * i + 1, at
			for (j = 0; j < w; j++) printf "\t%.5f", (rand() - 0.5) * spread + (j % c == at)
			printf "\n"
		}
		print "#end"
	}'
}

# labelled M: rows on stdin without labels, as text, get those of their keys modulo M.
labelled()
{
	awk -F '\t' -v OFS='\t' -v m="$1" '/^#key/ { $1 = $1 OFS "label" }
		!/^#/ { $1 = $1 OFS $1 % m } { print }'
}
