# man: pages are well formed, list exactly the options of their program, and their EXAMPLES run.
. tests/tap.sh
. tests/alexnet.sh

pages=$(ls man/*.[157] 2>/dev/null)
programs=$(ls tools/ic-*.c 2>/dev/null | sed 's|tools/||; s|\.c$||')

# Options of a program and of its page, one "k neighbours N" a line; "_" for no letter.
table_options()
{
	"$1" --help | awk '/^  (-.,|   ) --/ {
		line = substr($0, 7)
		letter = substr($0, 3, 1) == "-" ? substr($0, 4, 1) : "_"
		sub(/  .*/, "", line)
		split(line, w, " ")
		print letter, substr(w[1], 3), w[2]
	}' | sed 's/ *$//' | sort
}

page_options()
{
	awk '/^\.Sh / { on = $2 == "OPTIONS" }
	on && /^\.It Fl / {
		gsub(/\\-/, "-")
		sub(/^\.It Fl /, "")
		letter = "_"
		if ($0 ~ /^[^ -] , Fl /) { letter = substr($0, 1, 1); sub(/^. , Fl /, "") }
		sub(/^-/, "")
		name = $1
		arg = ""
		for (i = 3; i <= NF; i++) arg = arg $i
		gsub(/\\\*\(Ba|\\\(ba/, "|", arg)
		gsub(/\\:/, "", arg)
		print letter, name, arg
	}' "$1" | sed 's/ *$//' | sort
}

for p in $programs; do
	[ -e "man/$p.1" ] || { ok "$p has a page" test -e "man/$p.1"; continue; }
	check_same "$p: the page lists the options of --help" "table_options $p" "page_options man/$p.1"
done

# defaults PROGRAM: a default that is neither 0 (none, all), -1 nor a stream is on the page; of words it is the first.
defaults()
{
	"$1" --help | awk '/^  (-.,|   ) --/ { print line; line = "" } { sub(/^ +/, " "); line = line $0 } END { print line }' |
		sed -nE 's/^ (-., )?--([^ ]*) ([^ ]*) .*[(, ]default ([^ ),]*)\)$/\2 \3 \4/p' >"$TMP/defaults"
	grep -c . "$TMP/defaults"
	while read -r name words value; do
		case $words:$value in
		*:0 | *:-1 | *:- | *:inf | "$value|"*) continue ;;
		*\|*) echo "--$name: the first word is not $value" >&2; return 1 ;;
		esac
		awk -v name="$name" -v value="$value" '/^\.(Sh|It)/ { on = 0 }
			on { gsub(/[^0-9A-Za-z.-]/, " "); sub(/\.$/, ""); found = found || index(" " $0 " ", " " value " ") }
			/^\.It Fl/ { on = index($0 " ", "-" name " ") }
			END { if (!found) { print "--" name ": not there: " value; exit 1 } }' "man/$1.1" >&2 || return
	done <"$TMP/defaults"
}
for p in $programs; do
	ok "$p: its page has its defaults" defaults "$p"
done

# Words to choose from are not broken.
narrow()
{
	"$1" --help | awk 'length > 80 && !/\|/ { print; bad = 1 } END { exit bad }' >&2
}
for p in $programs; do
	ok "$p: --help fits a terminal of 80 columns" narrow "$p"
done

completes()
{
	eval "$("$1" --completion)" || return
	COMP_WORDS=("$1" --qui)
	COMP_CWORD=1
	"_${1//-/_}"
	[ "${COMPREPLY[*]}" = --quiet ]
}
for p in $programs; do
	ok "$p: --completion completes --quiet" completes "$p"
done

for page in $pages; do
	ok "$page is well formed" bash -c 'mandoc -Tlint -Wwarning "$1" >&2' - "$page"
done
# What has no room in 80 columns, groff squeezes or lets stand out.
if command -v groff >/dev/null; then
	for page in $pages; do
		check_same "$page fits a terminal" "groff -Tutf8 -mandoc -rLL=78n -wbreak $page 2>&1 >/dev/null" true
	done
else
	tap_result 0 "pages in a terminal # skip no groff"
fi

has_sections()
{
	local s
	for s in NAME SYNOPSIS DESCRIPTION OPTIONS "EXIT STATUS" EXAMPLES "SEE ALSO"; do
		grep -qE "^\.Sh $s\$" "$1" || { echo "$1: no section $s" >&2; return 1; }
	done
}
for p in $programs; do
	[ ! -e "man/$p.1" ] || ok "$p: sections" has_sections "man/$p.1"
done

# The commands of EXAMPLES: .Dl lines and literal blocks, unescaped.
examples()
{
	awk '/^\.Sh / { on = $2 == "EXAMPLES" }
	on && /^\.Dl / { sub(/^\.Dl /, ""); print }
	on && /^\.Ed/ { block = 0 }
	on && block { print }
	on && /^\.Bd .*-literal/ { block = 1 }' "$1" |
		sed -e 's/\\e/\\/g; s/\\(ba/|/g; s/\\\*(Ba/|/g; s/\\(aq/'"'"'/g; s/\\(dq/"/g; s/\\-/-/g; s/\\&//g; s/^\$ //'
}

# The pictures of the examples: 24 shoes and 24 bags, bars and discs whose place, size and colour vary.
make_picture()
{
	awk -v i="$1" -v class="$2" 'BEGIN {
		printf "P6\n32 32\n255\n"
		for (y = 0; y < 32; y++) for (x = 0; x < 32; x++) {
			dx = x - 8 - i * 7 % 16
			dy = y - 8 - i * 5 % 16
			disc = dx * dx + dy * dy < 20 + i * 3
			bar = dx > -6 && dx < 6 && dy > -3 - i % 5 && dy < 9
			if (class == "bags" ? disc : bar) printf "%c%c%c", 60 + i * 3, 255 - i * 6, 90 + y * 4
			else printf "%c%c%c", 30, 30 + x, 140
		}
	}'
}

make_fixtures()
{
	local class i
	for class in bags shoes; do
		mkdir -p pictures/$class || return
		for i in $(seq -w 24); do
			make_picture "$((10#$i))" $class | ic-grid --columns 1 --scale 1 --gap 0 -o pictures/$class/$i.png - ||
				return
		done
	done
	ic-pack --size 32 pictures -o images.mdb &&
	ic-embed images.mdb -o feats.mdb &&
	ic-knn -k 10 feats.mdb -o near.mdb &&
	ic-kmeans -k 12 feats.mdb -o inst.mdb &&
	ic-train images.mdb feats.mdb near.mdb --instances inst.mdb --minutes 0 -o run.safetensors
}

root=$PWD
missing=
command=
for p in ic-pack ic-grid ic-embed ic-knn ic-kmeans ic-train; do
	command -v $p >/dev/null || missing="$missing $p"
done
if [ -n "$missing" ]; then
	echo "# examples are not run: no$missing"
	done_testing
fi

mkdir "$TMP/fixtures" "$TMP/example"
cd "$TMP/fixtures" || exit
ok "fixtures" make_fixtures
cp "$root/tests/golden/images/j_420_q95.jpg" photo.jpg
alexnet alexnet.pth
cd "$root" || exit

# Commands end at a line that does not end in a backslash or a bar.  Section 5 shows bytes, which check-formats decodes.
for page in man/*.1 man/*.7; do
	rm -rf "$TMP/example"
	cp -r "$TMP/fixtures" "$TMP/example"
	examples "$page" >"$TMP/commands"
	while IFS= read -r line <&3; do
		command=$command${line%\\}
		case $line in *\\ | *'|' | '') continue ;; esac
		ok "${page##*/}: $command" timeout 300 bash -o pipefail -c "cd '$TMP/example' && $command"
		command=
	done 3<"$TMP/commands"
done

done_testing
