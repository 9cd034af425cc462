/* What the first programs of images share: system calls, texts on the console, and reading small files.
 *
 * A program that defines POWER_OFF switches the machine off where it gives up. */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, IOCTL = 16, PREAD = 17, PWRITE = 18, NANOSLEEP = 35, CLONE = 56, EXECVE = 59, EXIT = 60,
       WAIT4 = 61, FSYNC = 74, CHDIR = 80, CHROOT = 161, SYNC = 162, MOUNT = 165, UMOUNT2 = 166, REBOOT = 169, GETDENTS = 217,
       OPENAT = 257, MKDIRAT = 258, UNLINKAT = 263, DUP3 = 292, FINIT = 313 };
static i64 call(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e)
{
	i64 result;
	register i64 r10 __asm__("r10") = d;
	register i64 r8 __asm__("r8") = e;
	__asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}
__asm__(".globl _start\n_start: xor %ebp, %ebp\nmov %rsp, %rdi\nand $-16, %rsp\ncall begin\nhlt\n");
#elif defined(__aarch64__)
enum { DUP3 = 24, IOCTL = 29, MKDIRAT = 34, UNLINKAT = 35, UMOUNT2 = 39, MOUNT = 40, CHDIR = 49, CHROOT = 51, OPENAT = 56, CLOSE = 57,
       GETDENTS = 61, READ = 63, WRITE = 64, PREAD = 67, PWRITE = 68, SYNC = 81, FSYNC = 82, EXIT = 93, NANOSLEEP = 101, REBOOT = 142,
       CLONE = 220, EXECVE = 221, WAIT4 = 260, FINIT = 273 };
static i64 call(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e)
{
	register i64 x8 __asm__("x8") = n;
	register i64 x0 __asm__("x0") = a;
	register i64 x1 __asm__("x1") = b;
	register i64 x2 __asm__("x2") = c;
	register i64 x3 __asm__("x3") = d;
	register i64 x4 __asm__("x4") = e;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}
__asm__(".globl _start\n_start: mov x29, xzr\nmov x0, sp\nbl begin\nbrk 1\n");
#else
#error "no such machine"
#endif

#define AT_FDCWD -100
#define O_RDONLY 0
#define O_RDWR 2
#define O_DIRECTORY_X86 0200000
#define O_DIRECTORY_ARM 040000
#if defined(__aarch64__)
#define O_DIRECTORY O_DIRECTORY_ARM
#else
#define O_DIRECTORY O_DIRECTORY_X86
#endif
#define TCSBRK 0x5409
#define MS_RDONLY 1
#define MS_MOVE 8192
#define ENOENT 2
#define EEXIST 17
#define ENODEV 19

/* The compiler may call these for its own code. */
void *memcpy(void *to, const void *from, u64 len)
{
	u8 *t = to;
	const u8 *f = from;
	while (len--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int byte, u64 len)
{
	u8 *t = to;
	while (len--)
		*t++ = (u8)byte;
	return to;
}

static u64 len_of(const char *text)
{
	u64 len = 0;
	while (text[len])
		len++;
	return len;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* What follows `begin` in a text, or nothing. */
static const char *after(const char *text, const char *begin)
{
	while (*begin)
		if (*text++ != *begin++)
			return 0;
	return text;
}

static void say(const char *text)
{
	call(WRITE, 2, (i64)text, (i64)len_of(text), 0, 0);
}

static void say_two(const char *text, const char *rest)
{
	say("amiforge-init: ");
	say(text);
	say(rest);
	say("\n");
}

static void say_error(const char *text, const char *rest, i64 error)
{
	char digits[8], *at = digits + 7;
	u64 number = (u64)-error;
	*at = 0;
	do
		*--at = (char)('0' + number % 10);
	while ((number /= 10) && at > digits);
	say("amiforge-init: ");
	say(text);
	say(rest);
	say(": error ");
	say(at);
	say("\n");
}

/* The kernel panics when its first program ends, which is what there is to do; but not before all is said: a terminal
 * takes its time, and what it still holds then is lost. */
static void __attribute__((noreturn)) give_up(const char *text, const char *rest)
{
	say_two(text, rest);
	call(IOCTL, 2, TCSBRK, 1, 0, 0);
#ifdef POWER_OFF
	/* A panic may be followed by a restart, again and again. */
	call(SYNC, 0, 0, 0, 0, 0);
	call(REBOOT, 0xfee1dead, 672274793, 0x4321fedc, 0, 0);
#endif
	for (;;)
		call(EXIT, 1, 0, 0, 0, 0);
}

static i64 open_at(const char *path, int flags)
{
	return call(OPENAT, AT_FDCWD, (i64)path, flags, 0, 0);
}

/* Reads a file of at most size - 1 bytes and ends it with a NUL; gives its length. */
static i64 slurp(const char *path, char *into, u64 size)
{
	i64 fd = open_at(path, O_RDONLY), got, len = 0;
	if (fd < 0)
		return fd;
	while ((got = call(READ, fd, (i64)(into + len), (i64)(size - 1 - (u64)len), 0, 0)) > 0)
		len += got;
	call(CLOSE, fd, 0, 0, 0, 0);
	into[len] = 0;
	return got < 0 ? got : len;
}
