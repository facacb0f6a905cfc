# alexnet: a file of weights for ic-lpips where the published ones are not: features of AlexNet in half precision, sourced.

# alexnet FILE: numbers of +-0.13 to 0.33, the digits of 1, 2, 3 ...: every second byte, after tr, is 0x30 to 0x34 or 0xb0 to 0xb4.
alexnet()
{
	local layer shape n at=0 header= end
	while read -r layer shape n; do
		end=$((at + 2 * n))
		header="$header,\"features.$layer\":{\"dtype\":\"F16\",\"shape\":[$shape],\"data_offsets\":[$at,$end]}"
		at=$end
	done <<-END
		0.weight 64,3,11,11 23232
		0.bias 64 64
		3.weight 192,64,5,5 307200
		3.bias 192 192
		6.weight 384,192,3,3 663552
		6.bias 384 384
		8.weight 256,384,3,3 884736
		8.bias 256 256
		10.weight 256,256,3,3 589824
		10.bias 256 256
	END
	header=$(printf '{%-1023s' "${header#,}}")
	{
		printf '\0\004\0\0\0\0\0\0%s' "$header"
		seq 1000000 | LC_ALL=C tr '5-9\n' '\260-\264\060' | head -c "$at"
	} >"$1"
}
