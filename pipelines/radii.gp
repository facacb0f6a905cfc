# radii: how far the first and the last neighbour of each picture are, from lines of two distances:
# gnuplot -e 'data = "radii"; out = "radii.png"' radii.gp
bins = 60
set terminal pngcairo size 900, 500
set output out
stats data using 2 nooutput
width = STATS_max > 0 ? STATS_max / bins : 1
bin(x) = width * (floor(x / width) + 0.5)
set grid
set key above
set xrange [0:*]
set yrange [0:*]
set xlabel "distance"
set ylabel "pictures"
plot data using (bin($1)):(1.0) smooth frequency with histeps linewidth 2 title "nearest neighbour", \
     data using (bin($2)):(1.0) smooth frequency with histeps linewidth 2 title "last neighbour"
