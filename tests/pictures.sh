# pictures: streams of pictures that tests draw, and a small model of some; sourced after tap.sh.

# stripes N [SIDE]: N pictures of levels and stripes, of 32 x 32 unless SIDE says otherwise.
stripes()
{
	awk -v n="$1" -v side="${2:-32}" 'BEGIN {
		for (i = 0; i < n; i++) {
			printf "P6\n%d %d\n255\n", side, side
			for (p = 0; p < side * side; p++)
				printf "%c%c%c", 20 + (p * i) % 90, 30 + i, 40 + p % 80
		}
	}'
}

# shapes N [PHASE]: N pictures of 32 x 32, bars and discs in turn; PHASE moves them.
shapes()
{
	awk -v n="$1" -v phase="${2:-0}" 'BEGIN {
		for (i = 0; i < n; i++) {
			printf "P6\n32 32\n255\n"
			for (p = 0; p < 1024; p++) {
				x = p % 32 - 10 - (i + phase) % 12
				y = int(p / 32) - 14
				on = i % 2 ? x * x + y * y < 40 + i : x > -4 && x < 4 + i % 5
				printf "%c%c%c", on ? 99 : 33, on ? 120 - i : 40, 50 + i % 7
			}
		}
	}'
}

# model STEPS: twelve striped pictures as a.mdb, their features f.mdb, neighbours n.mdb and a
# generator m.st of so many steps.
model()
{
	stripes 12 | ic-pack --size 32 - -o a.mdb && ic-embed a.mdb -o f.mdb &&
		ic-knn -k 3 f.mdb -o n.mdb &&
		ic-train a.mdb f.mdb n.mdb -o m.st --ch 2 -b 4 --steps "$1"
}
