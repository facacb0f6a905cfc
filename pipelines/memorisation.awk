# memorisation: how near each sample is to its nearest picture, among real pictures.
# Three files: ascending distances of real pictures to their nearest others; lines "sample instance"; lines "sample
# nearest ... distance".
function nearer(d,    low, high, middle)               # how many of real[1 .. reals] are less than d
{
	low = 0
	high = reals
	while (low < high) {
		middle = int((low + high + 1) / 2)
		if (real[middle] < d) low = middle
		else high = middle - 1
	}
	return low
}
BEGIN { print "#sample\tinstance\tnearest\tdistance\tnearer_real" }
FNR == 1 { file++ }
file == 1 { real[++reals] = $1 + 0; next }
file == 2 { instance[$1] = $2; next }
{ printf "%d\t%s\t%d\t%s\t%.6f\n", $1, instance[$1], $2, $NF, nearer($NF + 0) / reals }
