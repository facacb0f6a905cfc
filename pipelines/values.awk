# values: the key and the first n values of each row that `ic-store dump` printed.
/^#key/ { for (first = 1; $first != "values"; first++); }
/^#/ { next }
{
	printf "%s", $1
	for (i = 0; i < n; i++) printf " %s", $(first + i)
	print ""
}
