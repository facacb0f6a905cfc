# torch: what ic-train writes goes into networks of PyTorch that have the published names, with
# strict keys, and gives the same pictures there.
# PEER is a python with torch and numpy; skipped without.
. tests/tap.sh
. tests/pictures.sh
PEER=${PEER:-python3}
peer=$PWD/tests/bench/peer
styles=$PWD/tests/golden/stylegan2/styles_both.safetensors
if ! "$PEER" -c 'import torch, numpy' 2>/dev/null; then
	echo "ok 1 # skip no torch for $PEER"
	echo 1..1
	exit 0
fi
cd "$TMP" || exit 1

# noise WIDTH: three rows.
noise()
{
	awk -v width="$1" 'BEGIN {
		printf "#ic-rows\t1\n#kind\tnoise\n#type\tf32\n#width\t%d\n#key\tvalues\n", width
		for (r = 0; r < 3; r++) {
			printf "%d", r
			for (c = 0; c < width; c++)
				printf "\t%.9g", (17 * r + 5 * c + c * c) % 33 / 16 - 1
			print ""
		}
		print "#end"
	}' | ic-store load - -o "z$1.mdb" -f && ic-store export "z$1.mdb" -o "z$1.npy" -f
}
fixture()
{
	stripes 8 "$1" | ic-pack --size "$1" - -o "i$1.mdb" && ic-embed "i$1.mdb" -o "f$1.mdb" && ic-knn -k 3 "f$1.mdb" -o "n$1.mdb" &&
		ic-train "i$1.mdb" "f$1.mdb" "n$1.mdb" -o "r$1.st" --ch 8 -b 4 --steps 3 \
			--ema-start 1 --lr-g 0.01 --lr-d 0.01 &&
		ic-store export "f$1.mdb" -o "f$1.npy" && noise 120
}
# Of two streams of pictures: the greatest difference, how many bytes in a thousand differ at all,
# and how many there are, with keys.
apart()
{
	ic-pack --size "$1" "$2" -o p.mdb -f >&2 && ic-pack --size "$1" "$3" -o q.mdb -f >&2 &&
		paste <(ic-store dump p.mdb | grep -v '^#' | tr '\t' '\n') \
			<(ic-store dump q.mdb | grep -v '^#' | tr '\t' '\n') |
		awk 'NF != 2 { exit 1 } { d = $1 > $2 ? $1 - $2 : $2 - $1; n += d > 0 }
			d > most { most = d }
			END { print most + 0, 1000 * n / NR, NR }'
}
for side in 32 64; do
	ok "a model of $side pixels" fixture $side
	for net in G D G_ema; do
		ok "$net as a file" ic-store export --net $net r$side.st -o $net.safetensors -f
		ok "$net loads with strict keys" "$PEER" "$peer/biggan.py" $net.safetensors
	done
	ok "samples by PyTorch" eval \
		'"$PEER" "$peer/sample.py" G_ema.safetensors z120.npy f$side.npy >theirs'
	ok "samples by ic-sample" eval 'ic-sample r$side.st f$side.mdb --noise z120.mdb >ours'
	check_same "twenty-four, the same but for the rounding of one byte in two thousand" \
		"apart $side ours theirs | awk '{ print (\$1 <= 1), (\$2 <= 0.5), \$3 }'" \
		"echo 1 1 $((24 * (3 * side * side + 1)))"
	ok "they are not all alike" eval \
		'[ "$(ic-store dump p.mdb | grep -v "^#" | cut -f 2- | sort -u | wc -l)" -gt 20 ]'
done
ok "a discriminator of classes and instances" eval 'ic-store dump i32.mdb |
	awk -F"\t" -v OFS="\t" "/^#key/ { \$1 = \$1 OFS \"label\" }
		!/^#/ { \$1 = \$1 OFS \$1 % 2 } { print }" |
	ic-store load - -o l.mdb && ic-embed l.mdb -o lf.mdb && ic-knn -k 3 lf.mdb -o ln.mdb &&
	ic-train l.mdb lf.mdb ln.mdb --class -o both.st --ch 2 -b 4 --steps 1'
for net in G D; do
	ok "its $net loads with strict keys" eval \
		'ic-store export --net $net both.st -o $net.safetensors -f &&
		"$PEER" "$peer/biggan.py" $net.safetensors'
done
ok "a StyleGAN2 as a file" ic-store export --net G_ema "$styles" -o s.safetensors
ok "loads with strict keys" "$PEER" "$peer/stylegan2.py" s.safetensors
done_testing
