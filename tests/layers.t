# layers: who includes whom, who prints and exits, what a file exports, and the shape of every source file.
. tests/tap.sh

sources=$(find lib formats kernels tools tests -name '*.[ch]' | sort)

# includes_only DIRECTORY ALLOWED...: every include of ours in DIRECTORY starts with one of ALLOWED.
includes_only()
{
	local dir=$1 allowed
	shift
	allowed=$(printf '%s|' "$@")
	! grep -rnE '^#include "' --include='*.[ch]' "$dir" | grep -vE "#include \"(${allowed%|})/" >&2
}
ok "kernels include kernels only" includes_only kernels kernels
ok "lib/base includes lib/base only" includes_only lib/base lib/base
ok "formats include formats and lib/base" includes_only formats formats lib/base
ok "lib/tape includes kernels and lib/base" includes_only lib/tape lib/tape kernels lib/base
ok "lib/stat stays below nets and gan" includes_only lib/stat lib/stat lib/tape lib/base kernels formats
ok "lib/nets stay below gan" includes_only lib/nets lib/nets lib/stat lib/tape lib/base kernels formats
ok "lib/gan includes no tools" includes_only lib/gan lib/gan lib/nets lib/stat lib/tape lib/base kernels formats

# Lines of code, without comments and string literals.
code()
{
	sed -E 's#//.*##; s#/\*[^*]*\*/##g; s#"([^"\\]|\\.)*"##g; /^[ \t]*\/?\*/d' "$1"
}

# says_nothing FILE...: no printing to stdout or stderr, no exit; the exception is lib/base (opt, say, must).
says_nothing()
{
	local bad=0 f
	for f; do
		code "$f" | grep -E '\b((printf|puts|putchar|perror|exit|_exit|abort|assert) *\(|stderr\b)' |
			sed "s|^|$f: |" | grep . >&2 && bad=1
	done
	return $bad
}
ok "lib, formats and kernels neither print nor exit" says_nothing \
	$(find lib formats kernels -name '*.[ch]' -not -path 'lib/base/*')

one_includer()
{
	[ "$(grep -rlE '#include <(cblas|lapacke?)\.h>' --include='*.[ch]' lib formats kernels tools)" = kernels/cpu/blas.c ]
}
ok "kernels/cpu/blas.c alone includes cblas.h" one_includer

first_line()
{
	local bad=0 f
	for f in $sources; do
		head -n 1 "$f" | grep -qE '^/\* ' || { echo "$f" >&2; bad=1; }
	done
	return $bad
}
ok "each source file begins by saying what it is" first_line

at_most_600()
{
	! wc -l $(find lib formats kernels tools -name '*.[ch]') | awk '$1 > 600 && $2 != "total"' | grep . >&2
}
ok "no source file has more than 600 lines" at_most_600

# A tab goes to the next multiple of 8.
at_most_100()
{
	local f
	! for f in $sources; do
		expand -t 8 "$f" | awk -v f="$f" 'length > 100 { print f ":" NR ": " length " columns" }'
	done | grep . >&2
}
ok "no line has more than 100 columns" at_most_100

no_marks()
{
	! grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $sources >&2
}
ok "nothing is left to do later" no_marks

# Every global function of lib/base, formats and lib/stat is declared in a header.
declared()
{
	local lib=${BIN:-build/bin}/../libic.a
	! nm -A --defined-only "$lib" 2>/dev/null | awk '$(NF-1) ~ /[TDBR]/ && $NF !~ /^__/ { print $NF }' | sort -u |
	while read -r name; do
		grep -rqwF --include='*.h' --include='*.def' -e "$name" lib formats kernels || echo "$name"
	done | grep -vE '^(cpu|ref)_' | grep . >&2
}
ok "each exported name stands in a header" declared

done_testing
