/* The first program of an image whose kernel needs modules to reach its root: loads them in the order given, finds the root
 * that the kernel's arguments name, mounts it, and starts the system's own init there.
 *
 * No library and nothing from the compiler but code, so that the file is a few KiB and the same wherever it is compiled.
 *   gcc -Os -static -nostdlib -nostartfiles -ffreestanding ... (see make.sh)
 *
 * Understands of the arguments (kernel-parameters(7)): root=PARTUUID=..., root=UUID=..., root=LABEL=..., root=/dev/...,
 * rootfstype=, ro, rw, rootwait (it waits in any case: 60 s), init=.
 */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, IOCTL = 16, PREAD = 17, NANOSLEEP = 35, EXECVE = 59, EXIT = 60, CHDIR = 80, CHROOT = 161,
       MOUNT = 165, REBOOT = 169, GETDENTS = 217, OPENAT = 257, MKDIRAT = 258, UNLINKAT = 263, DUP3 = 292, FINIT = 313 };
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
enum { DUP3 = 24, IOCTL = 29, MKDIRAT = 34, UNLINKAT = 35, MOUNT = 40, CHDIR = 49, CHROOT = 51, OPENAT = 56, CLOSE = 57, GETDENTS = 61,
       READ = 63, WRITE = 64, PREAD = 67, EXIT = 93, NANOSLEEP = 101, REBOOT = 142, EXECVE = 221, FINIT = 273 };
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

static char arguments[4097];
static const char *root, *type = "ext4", *init;
static u64 mount_flags = MS_RDONLY;

/* Cuts the arguments at blanks and takes out those that are meant for us. */
static void read_arguments(void)
{
	char *at = arguments;
	if (slurp("/proc/cmdline", arguments, sizeof arguments) < 0)
		give_up("there is no ", "/proc/cmdline");
	while (*at) {
		char *word = at;
		const char *value;
		while (*at && *at != ' ' && *at != '\n')
			at++;
		while (*at == ' ' || *at == '\n')
			*at++ = 0;
		if ((value = after(word, "root=")))
			root = value;
		else if ((value = after(word, "rootfstype=")))
			type = value;
		else if ((value = after(word, "init=")))
			init = value;
		else if (same(word, "rw"))
			mount_flags = 0;
		else if (same(word, "ro"))
			mount_flags = MS_RDONLY;
	}
}

static char order[16384];

/* Loads the modules that `/modules/order` names, a name a line. Some say that their hardware is not here. */
static void load_modules(void)
{
	char path[300], *at = order;
	if (slurp("/modules/order", order, sizeof order) < 0)
		return;
	while (*at) {
		char *to = path + 9;
		i64 fd, done;
		memcpy(path, "/modules/", 9);
		while (*at && *at != '\n' && to < path + sizeof path - 1)
			*to++ = *at++;
		*to = 0;
		while (*at == '\n')
			at++;
		fd = open_at(path, O_RDONLY);
		done = fd < 0 ? fd : call(FINIT, fd, (i64) "", 0, 0, 0);
		if (done < 0 && done != -EEXIST && done != -ENODEV)
			say_error("cannot load ", path, done);
		call(CLOSE, fd, 0, 0, 0, 0);
	}
}

static u64 number_at(const u8 *bytes, int len)
{
	u64 number = 0;
	while (len--)
		number = number << 8 | bytes[len];
	return number;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of an id of 32 digits with hyphens, as they are written; whether it is one. */
static int read_id(const char *text, u8 *id)
{
	int digits = 0;
	for (; *text; text++) {
		int value = digit(*text);
		if (*text == '-')
			continue;
		if (value < 0 || digits == 32)
			return 0;
		id[digits / 2] = (u8)(digits % 2 ? id[digits / 2] | value : value << 4);
		digits++;
	}
	return digits == 32;
}

/* Where each byte of an id as it is written stands in a GPT: its first three parts are little-endian. */
static const u8 in_table[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

/* The number of the partition with that id in the GPT of a disk (UEFI 2.10, section 5.3), or 0. */
static u32 partition_of(i64 disk, const u8 *id)
{
	static u8 header[512], entry[128];
	u64 size, count, at, index;
	if (call(PREAD, disk, (i64)header, 512, 512, 0) != 512 || number_at(header, 8) != 0x5452415020494645)
		return 0;
	at = number_at(header + 72, 8) * 512;
	count = number_at(header + 80, 4);
	size = number_at(header + 84, 4);
	if (size < 128 || size > 4096 || count > 1024)
		return 0;
	for (index = 0; index < count; index++) {
		int byte;
		if (call(PREAD, disk, (i64)entry, 128, (i64)(at + index * size), 0) != 128)
			return 0;
		for (byte = 0; byte < 16 && entry[16 + in_table[byte]] == id[byte]; byte++)
			;
		if (byte == 16)
			return (u32)index + 1;
	}
	return 0;
}

/* Whether a device holds an ext file system of that UUID or label. */
static int holds(i64 device, const u8 *id, const char *label)
{
	static u8 super[1024];
	int byte;
	if (call(PREAD, device, (i64)super, 1024, 1024, 0) != 1024 || number_at(super + 56, 2) != 0xef53)
		return 0;
	if (label) {
		char name[17];
		memcpy(name, super + 120, 16);
		name[16] = 0;
		return same(name, label);
	}
	for (byte = 0; byte < 16 && super[104 + byte] == id[byte]; byte++)
		;
	return byte == 16;
}

enum kind { DEVICE, PARTUUID, UUID, LABEL };
static enum kind kind;
static u8 wanted[16];
static const char *label;
static char device[300];

static void read_root(void)
{
	const char *value;
	if (!root || !*root)
		give_up("the arguments name no root: ", arguments);
	if ((value = after(root, "PARTUUID="))) {
		kind = PARTUUID;
		if (!read_id(value, wanted))
			give_up("this is no id of a partition: ", value);
	} else if ((value = after(root, "UUID="))) {
		kind = UUID;
		if (!read_id(value, wanted))
			give_up("this is no id of a file system: ", value);
	} else if ((value = after(root, "LABEL="))) {
		kind = LABEL;
		label = value;
	}
}

/* Looks at one block device; whether it is, or has, the root, whose path is then in `device`. */
static int look_at(const char *name)
{
	u64 len = len_of(name);
	i64 fd;
	u32 number = 0;
	int found;
	if (len > 200)
		return 0;
	memcpy(device, "/dev/", 5);
	memcpy(device + 5, name, len + 1);
	fd = open_at(device, O_RDONLY);
	if (fd < 0)
		return 0;
	if (kind == PARTUUID)
		found = (number = partition_of(fd, wanted)) != 0;
	else
		found = holds(fd, wanted, kind == LABEL ? label : 0);
	call(CLOSE, fd, 0, 0, 0, 0);
	if (number) {
		char digits[12], *at = digits + 11, *end = device + 5 + len;
		*at = 0;
		while (number)
			*--at = (char)('0' + number % 10), number /= 10;
		if (digit(end[-1]) >= 0 && digit(end[-1]) < 10)
			*end++ = 'p';
		memcpy(end, at, len_of(at) + 1);
	}
	return found;
}

/* Looks at every block device; whether the root is among them. */
static int look(void)
{
	static u8 entries[8192];
	i64 folder, got, at, fd;
	if (kind == DEVICE) {
		fd = open_at(root, O_RDONLY);
		if (fd < 0)
			return 0;
		call(CLOSE, fd, 0, 0, 0, 0);
		memcpy(device, root, len_of(root) < sizeof device ? len_of(root) + 1 : sizeof device - 1);
		return 1;
	}
	folder = open_at("/sys/class/block", O_RDONLY | O_DIRECTORY);
	if (folder < 0)
		return 0;
	while ((got = call(GETDENTS, folder, (i64)entries, sizeof entries, 0, 0)) > 0)
		for (at = 0; at < got; at += (i64)number_at(entries + at + 16, 2)) {
			const char *name = (const char *)entries + at + 19;
			if (*name != '.' && look_at(name)) {
				call(CLOSE, folder, 0, 0, 0, 0);
				return 1;
			}
		}
	call(CLOSE, folder, 0, 0, 0, 0);
	return 0;
}

static void wait_for_root(void)
{
	i64 tenth[2] = { 0, 100000000 };
	int tries;
	for (tries = 0; tries < 600; tries++) {
		if (look())
			return;
		call(NANOSLEEP, (i64)tenth, 0, 0, 0, 0);
	}
	give_up("there is no device with the root: ", root);
}

static i64 mount(const char *what, const char *where, const char *fs, u64 flags)
{
	return call(MOUNT, (i64)what, (i64)where, (i64)fs, (i64)flags, 0);
}

static void mount_root(void)
{
	i64 tenth[2] = { 0, 100000000 }, done = 0;
	int tries;
	/* The node of a partition may come a moment after that of its disk. */
	for (tries = 0; tries < 50; tries++) {
		done = mount(device, "/root", type, mount_flags);
		if (done != -ENOENT)
			break;
		call(NANOSLEEP, (i64)tenth, 0, 0, 0, 0);
	}
	if (done < 0) {
		say_error("cannot mount the root ", device, done);
		give_up("the root is to be a file system of type ", type);
	}
}

static void start(char **environment)
{
	static const char *const usual[] = { "/sbin/init", "/usr/lib/systemd/systemd", "/etc/init", "/bin/sh" };
	const char *words[2] = { 0, 0 };
	u64 index;
	mount("/dev", "/root/dev", 0, MS_MOVE);
	mount("/proc", "/root/proc", 0, MS_MOVE);
	mount("/sys", "/root/sys", 0, MS_MOVE);
	if (call(CHDIR, (i64) "/root", 0, 0, 0, 0) < 0 || mount(".", "/", 0, MS_MOVE) < 0 ||
	    call(CHROOT, (i64) ".", 0, 0, 0, 0) < 0 || call(CHDIR, (i64) "/", 0, 0, 0, 0) < 0)
		give_up("cannot make this the root: ", device);
	if (init) {
		words[0] = init;
		call(EXECVE, (i64)init, (i64)words, (i64)environment, 0, 0);
		give_up("there is no init at ", init);
	}
	for (index = 0; index < sizeof usual / sizeof *usual; index++) {
		words[0] = usual[index];
		call(EXECVE, (i64)usual[index], (i64)words, (i64)environment, 0, 0);
	}
	give_up("there is no init in the root ", device);
}

void __attribute__((noreturn)) begin(i64 *stack)
{
	char **environment = (char **)(stack + 1 + stack[0] + 1);
	i64 console;
	mount("dev", "/dev", "devtmpfs", 0);
	mount("proc", "/proc", "proc", 0);
	mount("sys", "/sys", "sysfs", 0);
	console = open_at("/dev/console", O_RDWR);
	if (console >= 0) {
		call(DUP3, console, 0, 0, 0, 0);
		call(DUP3, console, 1, 0, 0, 0);
		call(DUP3, console, 2, 0, 0, 0);
	}
	read_arguments();
	read_root();
	load_modules();
	wait_for_root();
	mount_root();
	start(environment);
	give_up("", "");
}
