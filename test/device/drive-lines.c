/*
 * Moves lines of gpio-sim at given times: drive-lines CHIP_FOLDER < MOVES
 * or keeps the guest from being idle:     drive-lines --never-idle
 *
 * A move is "MICROSECONDS LINE LEVEL", oldest first, counted from the start. Prints one line: how many moves were made, how long they
 * took from the first to the last, the rate that comes of it, and how long the longest hold-up was. A shell is too slow for 1,000 a
 * second.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINES_MAX = 64, MOVES_MAX = 100000 };

struct move {
	long long at_us;
	int line;
	int level;
};

static struct move moves[MOVES_MAX];
static int files[LINES_MAX];

static void give_up(const char *what)
{
	fprintf(stderr, "drive-lines: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int open_line(const char *folder, int line)
{
	char path[512];
	int file;

	snprintf(path, sizeof(path), "%s/sim_gpio%d/pull", folder, line);
	file = open(path, O_WRONLY);
	if (file < 0)
		give_up(path);
	return file;
}

static void wait_until_us(long long at_us)
{
	struct timespec at = { .tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

/*
 * Computes for ever, whenever nothing else in the guest has anything to do. A guest that is idle takes its time from the host, late
 * by whatever the host is late; one that never is has time by the instruction only.
 */
static _Noreturn void never_idle(void)
{
	volatile unsigned long count = 0;

	if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 }) < 0)
		give_up("SCHED_IDLE");
	for (;;)
		count++;
}

int main(int argc, char **argv)
{
	long long begin_us, late_us, held_up_us = 0, first_us = 0, last_us = 0;
	int count = 0, i;

	if (argc == 2 && strcmp(argv[1], "--never-idle") == 0)
		never_idle();
	if (argc != 2) {
		fprintf(stderr, "usage: drive-lines CHIP_FOLDER < MOVES\n");
		return 2;
	}
	memset(files, -1, sizeof(files));
	while (count < MOVES_MAX && scanf("%lld %d %d", &moves[count].at_us, &moves[count].line, &moves[count].level) == 3) {
		i = moves[count].line;
		if (i < 0 || i >= LINES_MAX) {
			fprintf(stderr, "drive-lines: there is no line %d\n", i);
			return 2;
		}
		if (files[i] < 0)
			files[i] = open_line(argv[1], i);
		count++;
	}
	if (!feof(stdin)) {
		fprintf(stderr, "drive-lines: move %d cannot be read, or is one too many\n", count + 1);
		return 2;
	}
	/* The street does not wait for the node: what moves the lines comes before everything else in the guest. */
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 }) < 0)
		give_up("SCHED_FIFO");
	begin_us = now_us();
	for (i = 0; i < count; i++) {
		const char *pull = moves[i].level ? "pull-up" : "pull-down";

		/* Never faster than was asked: what comes late puts off the rest. */
		late_us = now_us() - begin_us - moves[i].at_us;
		if (late_us > held_up_us)
			held_up_us = late_us;
		if (late_us > 0)
			begin_us += late_us;
		wait_until_us(begin_us + moves[i].at_us);
		if (pwrite(files[moves[i].line], pull, strlen(pull), 0) < 0)
			give_up("pull");
		last_us = now_us();
		if (i == 0)
			first_us = last_us;
	}
	printf("moves=%d us=%lld perSecond=%.1f heldUpUs=%lld\n", count, last_us - first_us,
	       count > 1 && last_us > first_us ? (count - 1) * 1e6 / (last_us - first_us) : 0.0, held_up_us);
	return 0;
}
