# ic-lpips: samples of one instance belong together; the means and their error; refusals.
. tests/tap.sh
. tests/alexnet.sh
pictures=$PWD/tests/golden/embed/64.ppm
cd "$TMP" || exit 1

# pam INSTANCE K...: photographs K as the samples of an instance.
pam()
{
	local i=$1 k
	shift
	for k; do
		printf 'P7\n# ic key=%d from=00000000000000aa root=00000000000000bb instance=%d\n' "$k" "$i"
		printf 'WIDTH 64\nHEIGHT 64\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n'
		tail -c +$((k * 12301 + 14)) "$pictures" | head -c 12288
	done
}

lpips()
{
	ic-lpips -w alexnet.st "$@"
}

# numbers FILE: its records without the header
numbers()
{
	grep -v '^#' "$1"
}

ok "weights" alexnet alexnet.st
{ pam 7 0 1 2; pam 3 4 4; pam 9 3 5; } >made.pam
ok "one record an instance" eval "lpips --per-instance made.pam >each"
check_same "in the order of the stream" "cut -f 1,2 each" "printf '#instance\tsamples\n7\t3\n3\t2\n9\t2\n'"
ok "pictures differ, a picture and itself do not" awk '!/^#/ { bad += $1 == 3 ? $3 != 0 : !($3 > 0.01) } END { exit bad }' each
ok "three pictures" eval "for p in '0 1' '0 2' '1 2'; do pam 1 \$p | lpips --per-instance; done >pairs"
ok "have the mean of their pairs" awk '!/^#/ { if (FNR == NR) { s += $3 / 3 } else if ($1 == 7 && (d = $3 / s - 1) < 1e-9 && d > -1e-9) good = 1 }
	END { exit !good }' pairs each
ok "one record of all" eval "lpips made.pam >all"
check_same "its fields" "head -n 1 all" "printf '#instances\tsamples\tlpips\tse\n'"
ok "the mean over instances and its error" awk '
	function near(a, b) { return (a - b) ^ 2 <= 1e-18 * b * b }
	/^#/ { next }
	FNR == NR { x[++n] = $3; mean += $3 / 3; next }
	{ for (i in x) s += (x[i] - mean) ^ 2; good = $1 == 3 && $2 == 7 && near($3, mean) && near($4, sqrt(s / 6)) }
	END { exit !good }' each all
check_same "the order of samples does not matter to a pair" "pam 1 3 5 | lpips" "pam 1 5 3 | lpips"
check_same "one thread and three" "lpips -t 1 made.pam" "lpips -t 3 made.pam"
check_same "standard input" "lpips - <made.pam" "lpips made.pam"
check_same "as JSON" "lpips --json made.pam" "numbers all | awk '{ printf \"{\\\"instances\\\":%s,\\\"samples\\\":%s,\\\"lpips\\\":%s,\\\"se\\\":%s}\\n\", \$1, \$2, \$3, \$4 }'"
check_same "one instance has no error" "pam 7 0 1 | lpips | cut -f 4" "printf 'se\nnan\n'"

{ pam 7 0 1; pam 3 4; pam 9 3 5; } >lone.pam
fails_with "lone.pam: instance 3: found one sample, expected two" "an instance of one sample" lpips lone.pam
{ pam 7 0 1; pam 3 4 2; pam 7 3 5; } >apart.pam
fails_with "apart.pam: instance 7: found samples again" "samples of an instance apart" lpips apart.pam
{ pam 7 0 1; printf 'P7\n# ic key=1 from=00000000000000aa root=00000000000000bb instance=7\nWIDTH 1\nHEIGHT 2\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabcdef'; } >sizes.pam
fails_with "sizes.pam: picture 2: found 1x2, expected 64x64" "pictures of two sizes" lpips sizes.pam
{ pam 7 0; pam 7 1 | sed 's/from=00000000000000aa/from=00000000000000ac/'; } >places.pam
fails_with "picture 1: comes from another place" "two generators" lpips places.pam
fails_with "picture 0 names no instance" "plain pictures" lpips "$pictures"
fails_with "found no pictures" "an empty stream" lpips /dev/null
head -c 20000 made.pam >cut.pam
fails_with "cut.pam" "a stream cut short" lpips cut.pam
printf 'P7\n# ic instance=7\nWIDTH 1\nHEIGHT 2\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabcdef' >small.pam
fails_with "found pictures of 1x2, expected at least 31x31" "pictures too small for the network" lpips small.pam
exits 2 "no weights named" ic-lpips made.pam
fails_with "none.st" "weights that are not there" ic-lpips -w none.st made.pam
fails_with "features.0.weight: found [64,3,11,11], expected [64,3,3,3]" "weights of the other network" ic-lpips -n vgg -w alexnet.st made.pam
exits 2 "two streams" lpips made.pam made.pam
done_testing
