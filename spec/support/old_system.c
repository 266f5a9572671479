/* old_system.c -- runs a program as on an old kernel and a plain file system: there is
 * no openat2, no file without a name, no rename that does not replace, and there are no
 * extended attributes. A system call filter answers for them; all else is as it is.
 *
 *     old_system PROGRAM [ARGUMENT...] */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field)                                                                    \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define FAIL(code) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (code))
#define DENY(call, code) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), FAIL(code)

/* The bit that O_TMPFILE has and O_DIRECTORY has not. */
#define NAMELESS (O_TMPFILE & ~O_DIRECTORY)

int main(int count, char **arguments) {
    struct sock_filter filter[] = {
        LOAD(nr),
        DENY(SYS_openat2, ENOSYS),
        DENY(SYS_renameat2, EINVAL),
        DENY(SYS_fsetxattr, EOPNOTSUPP),
        DENY(SYS_fgetxattr, EOPNOTSUPP),
        DENY(SYS_flistxattr, EOPNOTSUPP),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
        LOAD(args[2]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMELESS, 0, 1),
        FAIL(EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (count < 2) {
        fprintf(stderr, "usage: old_system PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("old_system: cannot filter system calls");
        return 77;
    }
    execvp(arguments[1], arguments + 1);
    perror(arguments[1]);
    return 127;
}
