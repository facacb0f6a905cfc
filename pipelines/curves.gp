# curves: losses and score of a training run: gnuplot -e 'log = "log.jsonl"; out = "curves.png"' curves.gp
# Scores are looked up in the log by name; each is a line of (thousand images, value).
field(name) = sprintf("< sed -n 's/.*\"images\":\\([0-9]*\\).*\"%s\":\\([^,}]*\\).*/\\1 \\2/p' '%s'", name, log)

seen = system(sprintf("sed -n 's/.*\"images\":\\([0-9]*\\).*/\\1/p' '%s' | tail -n 1", log)) + 0.0

set terminal pngcairo size 900, 700
set output out
set grid
set key above
set xrange [0:(seen > 0 ? seen / 1000 : 1)]
set multiplot layout 2, 1
set ylabel "loss"
plot 0 linetype -1 notitle, \
     field("d_real") using ($1 / 1000):2 with lines title "discriminator, real", \
     field("d_fake") using ($1 / 1000):2 with lines title "discriminator, generated", \
     field("g") using ($1 / 1000):2 with lines title "generator"
set ylabel "Frechet distance"
set xlabel "thousand images seen"
set yrange [0:*]
plot 0 linetype -1 notitle, \
     field("fd") using ($1 / 1000):2 with linespoints pointtype 7 notitle
unset multiplot
