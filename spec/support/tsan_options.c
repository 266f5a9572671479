/* tsan_options.c -- what ThreadSanitizer is told by every program here that it is in.
 */

#ifdef __SANITIZE_THREAD__
/* Its search for deadlocks knows at most 64 locks a thread; the engine's stripes are
 * more, and always taken in their order. What RocksDB does among itself it cannot see.
 */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
    return "detect_deadlocks=0:ignore_noninstrumented_modules=1";
}
#endif
