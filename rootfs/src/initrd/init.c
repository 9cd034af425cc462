/* The first program of an image whose kernel needs modules to reach its root: loads them in the order given, finds the root
 * that the kernel's arguments name, mounts it, and starts the system's own init there.
 *
 * No library and nothing from the compiler but code, so that the file is a few KiB and the same wherever it is compiled.
 *   gcc -Os -static -nostdlib -nostartfiles -ffreestanding ... (see make.sh)
 *
 * Understands of the arguments (kernel-parameters(7)): root=PARTUUID=..., root=UUID=..., root=LABEL=..., root=/dev/...,
 * rootfstype=, ro, rw, rootwait (it waits in any case: 60 s), init=.
 */
#include "system.h"

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
#include "modules.h"

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
