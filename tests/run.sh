#!/bin/bash
# run: runs TAP tests (programs, or .t scripts by bash), two at a time; the last line is "N passed, N failed".
# BIN is the directory of the programs under test; a test may take TEST_SECONDS.  A test that dies, or whose plan is
# missing or wrong, fails.
# "DIRECTORY=PROGRAM" runs the program with the files of the directory as arguments (the replay of a fuzz corpus).

# Threads that wait sleep: spinning, they take the processors from the test beside.
bin=$(cd "${BIN:-build/bin}" && pwd) || exit 1
export PATH="$bin:$PATH" LC_ALL=C OMP_WAIT_POLICY=passive
limit=${TEST_SECONDS:-900}
results=$(mktemp -d) || exit 1
trap 'rm -rf "$results"' EXIT

# run_one TEST NUMBER: runs it with a private $TMP, then says how it went.
run_one()
{
	local out=$results/$2
	export TMP=$results/$2.tmp
	mkdir "$TMP"
	case $1 in
	*.t) timeout "$limit" bash "$1" ;;
	*=*) timeout "$limit" "${1#*=}" $(find "${1%%=*}" -type f | sort) ;;
	*)   timeout "$limit" "$1" ;;
	esac >"$out.tap" 2>"$out.err" </dev/null
	echo $? >"$out.status"
	rm -rf "$TMP"
	judge "$1" "$2" >"$out.said"
	cat "$out.said"
}

# judge TEST NUMBER: one line for the test, its failing lines; passed and failed go to the file NUMBER.count.
judge()
{
	local out=$results/$2 status good bad plan ran skipped fault=
	status=$(cat "$out.status")
	good=$(grep -c '^ok ' "$out.tap")
	bad=$(grep -c '^not ok ' "$out.tap")
	skipped=$(grep -ciE '^ok .*# *skip' "$out.tap")
	plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$out.tap")
	ran=$((good + bad))
	if [ "$plan" != $ran ]; then
		fault="plan ${plan:-missing}, $ran results, exit status $status"
	elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		fault="exit status $status"
	fi
	good=$((good - skipped))
	printf '%-40s %4d passed %4d failed%s\n' "${1##*/}" "$good" "$bad" \
		"$([ "$skipped" -gt 0 ] && echo "  $skipped skipped")"
	if [ "$bad" -gt 0 ] || [ -n "$fault" ]; then
		awk '/^(not )?ok / { on = /^not/ } on' "$out.tap" | head -n 100
		[ -n "$fault" ] && echo "not ok - $1: $fault" && bad=$((bad + 1))
		tail -n 30 "$out.err"
	fi
	echo "$good $bad" >"$out.count"
}

n=0
for test; do
	n=$((n + 1))
	run_one "$test" $n &
	[ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
done
wait

read -r passed failed < <(for i in $(seq $n); do
	cat "$results/$i.count" 2>/dev/null || echo 0 1
done | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
