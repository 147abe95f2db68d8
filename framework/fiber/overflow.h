/*
 * What happens when a handler overflows its stack: the guard page faults, and a line on stderr
 * names the method before the process ends as it would have.
 */
#ifndef TRI_OVERFLOW_H
#define TRI_OVERFLOW_H

/*
 * Installs the handler for SIGSEGV (and SIGBUS), once for the process; what was installed before is
 * called after it. Each call wants one of tri__overflow_uninstall. Returns: 0 or -errno.
 */
int tri__overflow_install(void);
void tri__overflow_uninstall(void);

/*
 * Gives the calling thread an alternate signal stack, without which the handler could not run
 * there.
 *
 * Returns: 0 or -errno. The thread itself takes it back before it ends.
 */
int tri__overflow_prepare_thread(void);
void tri__overflow_release_thread(void);

#endif
