# What happens in the guest, as root. What it writes into its folder is read by the tests.
set -u
cd /run/lab
exec > log 2>&1
. ./settings.sh # BACKEND TOOLS WINDOW_S NODE STOEP
SYSTEM=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH="$TOOLS:$SYSTEM"
# Sensors that tell how often they were opened: all but the one of people.
TELLING=$(($(grep -c 'driver:' node.yaml) - 1))
ulimit -c 0
./drive-lines --never-idle &
mkdir -p /run/bin /run/state /run/live
# Without gpiomon: everything that is used below, and no tool of libgpiod.
for program in sleep date grep cat kill mkdir tr sed curl wc mosquitto mosquitto_sub; do
  ln -s "$(command -v "$program")" /run/bin/
done
[ "$BACKEND" != onoff ] || PATH=/run/bin
say() { echo "lab: $*" > /dev/console; }

# A chip like the header of a Raspberry Pi, and a second one that can be unplugged.
chip() { # chip FOLDER LABEL LINES
  folder=/sys/kernel/config/gpio-sim/$1
  mkdir "$folder" "$folder/bank"
  echo "$2" > "$folder/bank/label"
  echo "$3" > "$folder/bank/num_lines"
}
chip header pinctrl-bcm2711 28
for line in $(cat lines); do
  mkdir "/sys/kernel/config/gpio-sim/header/bank/line$line"
  echo "GPIO$line" > "/sys/kernel/config/gpio-sim/header/bank/line$line/name"
done
chip expander expander 8
live() { echo "$2" > "/sys/kernel/config/gpio-sim/$1/live"; }
live header 1
live expander 1
at() {
  folder=/sys/kernel/config/gpio-sim/$1
  echo "/sys/devices/platform/$(cat "$folder/dev_name")/$(cat "$folder/bank/chip_name")"
}
play() { ./drive-lines "$(at "$1")" < "$2" > "driven-$2" 2>&1 || say "drive-lines: $(cat "driven-$2")"; }
cat /sys/class/gpio/gpiochip*/base > bases
play header rest

printf 'listener 1883 127.0.0.1\nallow_anonymous true\nuser root\n' > /run/mosquitto.conf
mosquitto -c /run/mosquitto.conf > broker 2>&1 &
sleep 2
mosquitto_sub -h 127.0.0.1 -V 5 -q 1 -t 'city/#' -F '%t\t%p' > messages 2> subscriber &

start() {
  "$NODE" --max-semi-space-size=1 --clear-free-memory "$STOEP" run node.yaml >> node-log 2>> node-errors &
  node=$!
}
status() { curl -s --unix-socket /run/live/stoep.sock http://node/status; }
# How often ports of this run were opened: "opened" of all sensors, but for the one of people, which tells no numbers.
opened() {
  sum=0
  for count in $(status | tr ',{' '\n\n' | sed -n 's/^"opened":\([0-9]*\).*/\1/p'); do sum=$((sum + count)); done
  echo $sum
}
faults() { status | tr ',{' '\n\n' | grep -c '^"trouble":"'; }
give_up() {
  say "waited in vain for $1: $(status) $(cat node-errors)"
  exit 1
}
# until_opened COUNT: so many ports were opened and all are open, or it is given up.
until_opened() {
  tries=0
  while [ "$(opened)" -lt "$1" ] || [ "$(faults)" -gt 0 ]; do
    sleep 0.5
    tries=$((tries + 1))
    [ $tries -lt 120 ] || give_up "$1 opened ports"
  done
}
until_answering() {
  tries=0
  until status > /run/answer; do
    sleep 0.5
    tries=$((tries + 1))
    [ $tries -lt 120 ] || give_up "an answer of the node"
  done
}
next_window() {
  now=$(date +%s%3N)
  rest=$((WINDOW_S * 1000 - now % (WINDOW_S * 1000) + 100))
  sleep "$((rest / 1000)).$((rest % 1000 / 100))"
}
phase() { # phase NAME: it begins with a window
  next_window
  now=$(date +%s)
  echo "$1 $((now - now % WINDOW_S))" >> phases
  say "phase $1"
}
counters() { status > "status-$1"; }
children() { grep -l "^PPid:.$node\$" /proc/[0-9]*/status 2> /dev/null | tr -dc '0-9\n'; }

start
until_opened "$TELLING"

phase street
play header street
counters street

phase burst
play header burst
counters burst

phase unplugged
live expander 0
sleep 4
counters unplugged
live expander 1
until_opened $((TELLING + 1))
phase plugged
play expander pulses
counters plugged

if [ "$BACKEND" != onoff ]; then
  before=$(opened)
  children | wc -l > monitors
  phase killing
  kill -9 $(children)
  until_opened $((before + TELLING))
  phase killed
  play header after-kill
  counters killed
fi

phase stopping
kill -TERM $node
wait $node
echo $? > stop-exit
start
until_opened $TELLING
phase restarted
play header after-restart
counters restarted

# Without systemd nobody ends the gpiomons of a node that was killed: they hold their lines until an edge breaks their pipe.
phase crashing
kill -KILL $node
wait $node
start
until_answering
sleep 3
counters crashing
play header wake
play expander wake-expander
until_opened $TELLING
phase crashed
play header after-crash
counters crashed
phase end
sleep 4
kill -TERM $node
wait $node
