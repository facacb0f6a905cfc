# ic-sample: a sample depends on its number alone; streams end early with a failure; refusals.
. tests/tap.sh
cd "$TMP" || exit 1

pictures()
{
	awk 'BEGIN {
		for (i = 0; i < 12; i++) {
			printf "P6\n32 32\n255\n"
			for (p = 0; p < 1024; p++) printf "%c%c%c", 20 + (p * i) % 90, 30 + i, 40 + p % 80
		}
	}'
}
ok "fixture" eval 'pictures | ic-pack --size 32 - -o a.mdb && ic-embed a.mdb -o f.mdb && ic-knn -k 3 f.mdb -o n.mdb &&
	ic-train a.mdb f.mdb n.mdb -o m.st --ch 2 -b 4 --steps 2 && ic-train a.mdb -o u.st --ch 2 -b 4 --steps 1 &&
	ic-store head -n 3 f.mdb | ic-store load -o i.mdb'

ok "forty samples" eval 'ic-sample m.st f.mdb -n 40 >all.pam'
check_same "a batch of 7 gives what 32 gives, but for rounding: sizes" "ic-sample m.st f.mdb -n 40 -b 7 | wc -c" "wc -c <all.pam"
check_same "1 thread as 2" "ic-sample m.st f.mdb -n 40 -t 1" "cat all.pam"
check_same "the first ten do not depend on how many follow" "ic-sample m.st f.mdb -n 10 | sed 's/of=10/of=40/'" \
	"head -c \$(ic-sample m.st f.mdb -n 10 | wc -c) all.pam"
check_same "another seed is another picture" "ic-sample m.st f.mdb -n 4 -s 1 | cmp -s - <(ic-sample m.st f.mdb -n 4) || echo differ" \
	"echo differ"
check_same "--each: instances in order" "ic-sample m.st i.mdb --each 2 | grep -a '^# ic' | sed 's/.*instance=\([0-9]*\).*/\1/'" \
	"printf '0\n0\n1\n1\n2\n2\n'"
check_same "instances from a pipe" "ic-store cat i.mdb | ic-sample m.st - --each 2" "ic-sample m.st i.mdb --each 2"
ok "a model without instances" eval 'ic-sample u.st -n 3 >u.pam && [ "$(grep -ao ENDHDR u.pam | wc -l)" -eq 3 ]'
check_same "samples, features and score in one pipe" "ic-sample m.st f.mdb -n 20 | ic-embed - | ic-fid f.mdb - | wc -l" "echo 2"

# A producer that dies makes its consumers fail.
died()
{
	! ic-sample m.st f.mdb -n 40 | head -c 60000 | ic-embed - 2>err >rows && grep -q . err &&
		! ic-fid f.mdb - <rows 2>err2 && grep -q . err2
}
ok "a producer cut short makes both consumers fail" died
fails_with "rows of" "instances of another width" eval 'printf "#ic-rows\t1\n#kind\tfeatures\n#type\tf32\n#width\t2\n#key\tvalues\n1\t0.5\t1\n#end\n" |
	ic-store load -o w.mdb && ic-sample m.st w.mdb -n 1'
fails_with "knows 1 classes" "a class it does not know" ic-sample u.st -n 1 --class 5
exits 2 "neither -n nor --each" ic-sample m.st f.mdb
exits 2 "both" ic-sample m.st f.mdb -n 1 --each 1
exits 2 "no model" ic-sample -n 1
fails_with "No such file" "no such model" ic-sample none.st f.mdb -n 1
fails_with "" "not a model" ic-sample f.mdb f.mdb -n 1
ok "a full disk" eval '! ic-sample m.st f.mdb -n 1 >/dev/full 2>err && grep -q "No space" err'
done_testing
