/* How the loops over columns are compiled and divided among threads.
 *
 * A loop marked FAREBOX_CLONES is compiled for processors of today and of ten years ago, and the
 * machine at hand takes its own; elsewhere it is compiled once. FAREBOX_SORTS tells whether it is
 * compiled for several sorts. Threads last for one call. */
#ifndef FAREBOX_LOOPS_H
#define FAREBOX_LOOPS_H

#include <pthread.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__) && \
    !defined(FAREBOX_PORTABLE)
#define FAREBOX_SORTS
#endif
/* The loader chooses among clones before the address sanitizer is there. */
#if defined(FAREBOX_SORTS) && !defined(__SANITIZE_ADDRESS__)
#define FAREBOX_CLONES \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define FAREBOX_CLONES
#endif
/* Before a loop whose columns never overlap; compilers forget `restrict` when they inline. */
#if defined(__clang__)
#define FAREBOX_APART _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define FAREBOX_APART _Pragma("GCC ivdep")
#else
#define FAREBOX_APART
#endif
#define FAREBOX_INLINE static inline __attribute__((always_inline))

/* The number of the next piece of work. */
static inline int64_t take_turn(int64_t *turn) {
  return __atomic_fetch_add(turn, 1, __ATOMIC_RELAXED);
}

/* Runs the work in this thread and in so many others; fewer others where there are no more. */
static inline void run_threads(void *(*work)(void *), void **each, int count) {
  pthread_t others[64];
  int begun[64] = {0};
  for (int i = 1; i < count; i++) begun[i] = !pthread_create(&others[i], NULL, work, each[i]);
  work(each[0]);
  for (int i = 1; i < count; i++)
    if (begun[i]) pthread_join(others[i], NULL);
}

#endif
