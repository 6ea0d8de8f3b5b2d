/* The floor: a closed loop of streamed chat completions that does what any client must and nothing else. It sends, waits,
 * reads with the kernel's receive stamp, counts content events and notices the end. There are no checks, no reconnections, no
 * timeouts and no records: what loadgen costs beyond this is what those cost.
 *
 *   cc -O2 -o floor floor.c
 *   floor PORT CONNECTIONS REQUESTS TOKENS GATHER_US STAMPS
 *
 * PORT of 127.0.0.1. GATHER_US > 0: sleep so long before each wait, so that one turn reads more sockets. STAMPS: a file that
 * gets a line a request, "ID NS": its X-Request-Id, and the stamp of its first content event, CLOCK_REALTIME. Prints one JSON
 * object: wall_s, cpu_s, n_events, n_reads, n_waits.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  CARRY_BYTES = 16, /* of the last read, put before the next: a mark may be cut by a read, and none is longer */
  READ_BYTES = 65536,
  READY_AT_ONCE = 1024,
  WAIT_MS = 1000,
  FIRST_ID_DIGITS = 8,
};

/* A content event: the text is not empty. The role's event and the last one have none. */
static const char MARK[] = "\"content\":\"";
static const char EMPTY = '"';
static const char LAST_CHUNK[] = "0\r\n\r\n";

typedef struct {
  int fd;
  int request;  /* index of the one under way */
  int n_events; /* of it */
  int n_carry;  /* bytes in carry */
  char carry[CARRY_BYTES];
} Connection;

typedef struct {
  int port, n_connections, n_requests, n_tokens, gather_us;
  const char *stamps_path;
} Settings;

typedef struct {
  Settings want;
  Connection *connections;
  int64_t *first_token_ns; /* a request; CLOCK_REALTIME */
  char *request;           /* head and body; the id's digits stand at id_at */
  int n_request_bytes, id_at;
  int epoll;
  int n_started, n_done;
  long n_events, n_reads, n_waits;
} Floor;

static int64_t now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* The request as every connection sends it; fire() writes the digits of its id. */
static void encode_request(Floor *f) {
  char *body;
  int n_body = asprintf(&body,
                        "{\"model\":\"simulator\",\"messages\":[{\"role\":\"user\",\"content\":\"hello there\"}],"
                        "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"max_tokens\":%d}",
                        f->want.n_tokens);
  f->n_request_bytes = asprintf(&f->request,
                                "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                                "X-Request-Id: r%0*d\r\nContent-Length: %d\r\n\r\n%s",
                                FIRST_ID_DIGITS, 0, n_body, body);
  if (n_body < 0 || f->n_request_bytes < 0) die("asprintf");
  f->id_at = (int)(strstr(f->request, "X-Request-Id: r") - f->request) + (int)strlen("X-Request-Id: r");
  free(body);
}

static void open_connection(Floor *f, int i) {
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(f->want.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1, stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)) die("TCP_NODELAY");
  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps)) die("SO_TIMESTAMPING");
  if (fcntl(fd, F_SETFL, O_NONBLOCK)) die("O_NONBLOCK");
  struct epoll_event interest = {.events = EPOLLIN, .data.u32 = i};
  if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &interest)) die("epoll_ctl");
  f->connections[i].fd = fd;
}

static void fire(Floor *f, Connection *c) {
  if (f->n_started == f->want.n_requests) return;
  c->request = f->n_started++;
  c->n_events = c->n_carry = 0;
  for (int place = FIRST_ID_DIGITS - 1, rest = c->request; place >= 0; place--, rest /= 10)
    f->request[f->id_at + place] = '0' + rest % 10;
  if (send(c->fd, f->request, f->n_request_bytes, MSG_NOSIGNAL) != f->n_request_bytes) die("send");
}

/* When the kernel took the last of what was read; the instant of the read where it does not say. */
static int64_t arrival_ns(struct msghdr *message) {
  for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h))
    if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_TIMESTAMPING) {
      struct timespec *stamp = &((struct scm_timestamping *)CMSG_DATA(h))->ts[0];
      return stamp->tv_sec * 1000000000LL + stamp->tv_nsec;
    }
  return now_ns(CLOCK_REALTIME);
}

/* Count the content events whose mark, and the byte behind it, end in this read. data begins with what was carried over. */
static int count_events(const char *data, size_t n_bytes, size_t n_carried) {
  const size_t n_mark = sizeof MARK - 1;
  const char *at = data, *end = data + n_bytes;
  int n = 0;
  while ((at = memmem(at, end - at, MARK, n_mark)) && at + n_mark < end) {
    at += n_mark;
    if (at >= data + n_carried && *at != EMPTY) n++;
  }
  return n;
}

static void take_answer(Floor *f, Connection *c, const char *data, size_t n_bytes, int64_t at_ns) {
  const size_t n_last = sizeof LAST_CHUNK - 1;
  int n = count_events(data, n_bytes, c->n_carry);
  if (n && !c->n_events) f->first_token_ns[c->request] = at_ns;
  c->n_events += n;
  f->n_events += n;
  if (n_bytes >= n_last && !memcmp(data + n_bytes - n_last, LAST_CHUNK, n_last)) {
    f->n_done++;
    fire(f, c);
    return;
  }
  c->n_carry = n_bytes < CARRY_BYTES ? n_bytes : CARRY_BYTES;
  memcpy(c->carry, data + n_bytes - c->n_carry, c->n_carry);
}

static void read_connection(Floor *f, Connection *c) {
  static char buffer[CARRY_BYTES + READ_BYTES], control[256];
  memcpy(buffer, c->carry, c->n_carry);
  struct iovec into = {buffer + c->n_carry, READ_BYTES};
  struct msghdr message = {
      .msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t n_read = recvmsg(c->fd, &message, 0);
  f->n_reads++;
  if (n_read > 0)
    take_answer(f, c, buffer, c->n_carry + n_read, arrival_ns(&message));
  else if (n_read == 0 || errno != EAGAIN)
    die("the server closed a connection");
}

static void run(Floor *f) {
  static struct epoll_event ready[READY_AT_ONCE];
  const struct timespec gather = {0, f->want.gather_us * 1000L};
  for (int i = 0; i < f->want.n_connections; i++) fire(f, &f->connections[i]);
  while (f->n_done < f->want.n_requests) {
    if (f->want.gather_us) nanosleep(&gather, NULL);
    int n_ready = epoll_wait(f->epoll, ready, READY_AT_ONCE, WAIT_MS);
    f->n_waits++;
    for (int i = 0; i < n_ready; i++) read_connection(f, &f->connections[ready[i].data.u32]);
  }
}

static void raise_descriptor_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void write_stamps(const Floor *f) {
  FILE *file = fopen(f->want.stamps_path, "w");
  if (!file) die(f->want.stamps_path);
  for (int i = 0; i < f->want.n_requests; i++)
    fprintf(file, "r%0*d %lld\n", FIRST_ID_DIGITS, i, (long long)f->first_token_ns[i]);
  if (fclose(file)) die(f->want.stamps_path);
}

static double cpu_s(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int n_words, char **words) {
  if (n_words != 7) {
    fprintf(stderr, "usage: floor PORT CONNECTIONS REQUESTS TOKENS GATHER_US STAMPS\n");
    return 2;
  }
  Floor f = {.want = {.port = atoi(words[1]),
                      .n_connections = atoi(words[2]),
                      .n_requests = atoi(words[3]),
                      .n_tokens = atoi(words[4]),
                      .gather_us = atoi(words[5]),
                      .stamps_path = words[6]}};
  f.connections = calloc(f.want.n_connections, sizeof *f.connections);
  f.first_token_ns = calloc(f.want.n_requests, sizeof *f.first_token_ns);
  f.epoll = epoll_create1(0);
  if (!f.connections || !f.first_token_ns || f.epoll < 0) die("set-up");
  raise_descriptor_limit();
  encode_request(&f);
  for (int i = 0; i < f.want.n_connections; i++) open_connection(&f, i);
  int64_t began_ns = now_ns(CLOCK_MONOTONIC);
  run(&f);
  double wall_s = (now_ns(CLOCK_MONOTONIC) - began_ns) / 1e9;
  printf("{\"wall_s\":%.6f,\"cpu_s\":%.6f,\"n_events\":%ld,\"n_reads\":%ld,\"n_waits\":%ld}\n", wall_s, cpu_s(), f.n_events,
         f.n_reads, f.n_waits);
  write_stamps(&f);
  return 0;
}
