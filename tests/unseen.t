# unseen: training on some classes only, and scores of samples conditioned on pictures of those and of
# the others, by selections of the same keys.
. tests/tap.sh
. tests/pictures.sh
. tests/rows.sh
cd "$TMP" || exit 1

# field NAME: that column of a table on stdin.
field()
{
	awk -F '\t' -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i }
		NR > 1 { print $at }'
}
rows() { ic-store dump "$1" | grep -v '^#[rfm]'; }
ok "pictures, features, neighbours" eval 'shapes 24 | ic-pack --size 32 - | ic-store dump - | labelled 4 |
	ic-store load -o i.mdb && ic-embed i.mdb -o f.mdb && ic-knn -k 3 f.mdb -o n.mdb'
ic-store dump i.mdb | awk -F '\t' '!/^#/ { print $1 >($2 < 3 ? "seen" : "unseen") }'
for of in seen unseen; do
	ok "the $of pictures and their features" eval "ic-store cat --keys $of i.mdb -o $of-i.mdb &&
		ic-store cat --keys $of f.mdb -o $of-f.mdb && ic-store cat --keys $of n.mdb -o $of-n.mdb"
	check_same "a selection of pictures knows where its keys count" \
		"ic-store ls $of-i.mdb | field root" "ic-store ls i.mdb | field id"
	check_same "its features are those selected" "ic-embed $of-i.mdb -f -o e.mdb; rows e.mdb" "rows $of-f.mdb"
	check_same "and count in the same place" "ic-store ls e.mdb | field root" "ic-store ls $of-f.mdb | field root"
done
check_same "a selection of a selection is one of all" \
	"head -n 5 seen | ic-store cat --keys - seen-i.mdb | ic-store dump -" \
	"head -n 5 seen | ic-store cat --keys - i.mdb | ic-store dump -"
fails_with "neighbours by features" "neighbours are found again, not selected" \
	ic-train seen-i.mdb seen-f.mdb seen-n.mdb --steps 1 -o s.st
fails_with "18 rows, expected 24" "pictures that are left out need features that are" \
	ic-train i.mdb seen-f.mdb seen-n.mdb --steps 1 -o s.st
ok "neighbours among the seen" ic-knn -k 3 seen-f.mdb -f -o seen-n.mdb
ok "training on the seen" ic-train seen-i.mdb seen-f.mdb seen-n.mdb --ch 2 -b 4 --steps 2 -o s.st
ok "samples from all" eval "ic-sample s.st f.mdb --each 2 | ic-embed --by-instance -o made.mdb"
ok "scored apart" eval "ic-fid --metrics fd,kid --keys seen:seen,unseen:unseen f.mdb made.mdb >apart"
ic-sample s.st unseen-f.mdb -n 9 | grep -a '^# ic' | sed 's/.*instance=\([0-9]*\).*/\1/' | sort -u >drawn
ok "instances of the unseen alone" test -s drawn -a -z "$(sort unseen | comm -13 - drawn)"
check_same "two samples of each" "field '#group' <apart; field n_fake <apart" "printf '%s\n' seen unseen 36 12"
ok "as the selections are" eval "ic-store dump made.mdb | awk -F '\t' '/^#/ || \$2 == 3' | ic-store load -o m3.mdb &&
	ic-fid --metrics fd,kid unseen-f.mdb m3.mdb | tail -n 1 | cut -f 3- >alone &&
	tail -n 1 apart | cut -f 4- | cmp - alone"
done_testing
