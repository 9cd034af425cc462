/* The first program of an image whose root is verified: loads the modules in the order given, has dm-verity check every block of
 * the root against the root hash of the kernel's arguments, mounts it read-only, makes /etc and /var writable where the arguments
 * say so, and starts the system's own init there.
 *
 * It starts nothing that is not verified: without roothash=, with one that is malformed or given twice, or where anything else is
 * not as it has to be, it says so on the console and switches the machine off. It has no shell, and reads no file that a boot
 * loader adds to its archive. A block that does not have its digest makes the kernel panic; panic= of the arguments says what then.
 *
 * Understands of the arguments: roothash=, amiforge.writable= (see writable.h), init=. The partitions have the halves of the root
 * hash as their GUIDs (Discoverable Partitions Specification). Compiled as init.c is.
 */
#define POWER_OFF
#include "system.h"
#include "modules.h"
#include "gpt.h"
#include "mapper.h"
#include "writable.h"

static char arguments[4097];
static const char *writable, *init;

static void once(const char **into, const char *value, const char *name)
{
	if (*into)
		give_up("an argument is given twice: ", name);
	*into = value;
}

/* Cuts the arguments at blanks and takes out those that are meant for us. */
static void read_arguments(void)
{
	char *at = arguments;
	i64 len = slurp("/proc/cmdline", arguments, sizeof arguments);
	if (len < 0)
		give_up("there is no ", "/proc/cmdline");
	if (len == sizeof arguments - 1)
		give_up("the arguments are too long: ", "/proc/cmdline");
	while (*at) {
		char *word = at;
		const char *value;
		while (*at && *at != ' ' && *at != '\n')
			at++;
		while (*at == ' ' || *at == '\n')
			*at++ = 0;
		/* What follows is for init (kernel-parameters(7)). */
		if (same(word, "--"))
			break;
		if ((value = after(word, "roothash=")))
			once(&root_hash_text, value, "roothash=");
		else if ((value = after(word, "amiforge.writable=")))
			once(&writable, value, "amiforge.writable=");
		else if ((value = after(word, "init=")))
			init = value;
	}
}

/* The GUIDs of both partitions, from the root hash. */
static void read_root_hash(void)
{
	u64 digits;
	if (!root_hash_text)
		give_up("the arguments name no root hash, and this image starts no other root: ", "roothash=");
	for (digits = 0; digit(root_hash_text[digits]) >= 0; digits++)
		if (digits < 64) {
			u8 *id = digits < 32 ? root_data_id : root_hash_id;
			id[digits % 32 / 2] = (u8)(id[digits % 32 / 2] << 4 | digit(root_hash_text[digits]));
		}
	if (digits != 64 || root_hash_text[digits])
		give_up("this is no root hash of 64 digits: roothash=", root_hash_text);
}

/* Waits for all partitions. Data is on the disk of the root where that has a partition for it, else on another disk: so what is
 * attached to a machine with data of its own is never taken for it, however late each disk comes. */
static void wait_for_partitions(void)
{
	int tries;
	for (tries = 0; tries < 600; tries++) {
		look();
		if (root_data.count && root_hash.count && (!uses(DATA) || other_data.count))
			break;
		pause_tenth();
	}
	if (!root_data.count)
		give_up("no partition has the GUID of the root, the first half of roothash=", root_hash_text);
	if (!root_hash.count)
		give_up("no partition has the GUID of the hash tree, the last half of roothash=", root_hash_text);
	data = own_data.count ? own_data : other_data;
	if (uses(DATA) && !data.count)
		give_up("there is no partition for data, named ", data_name);
	if (uses(DATA) && data.count > 1)
		give_up("several disks have a partition for data; detach all but one, named ", data_name);
}

/* Makes the verified root the root. */
static void enter_root(void)
{
	if (mount("/dev", "/root/dev", 0, MS_MOVE, 0) || mount("/proc", "/root/proc", 0, MS_MOVE, 0) ||
	    mount("/sys", "/root/sys", 0, MS_MOVE, 0))
		give_up("the root lacks one of the folders ", "/dev, /proc, /sys");
	if (call(CHDIR, (i64) "/root", 0, 0, 0, 0) < 0 || mount(".", "/", 0, MS_MOVE, 0) < 0 ||
	    call(CHROOT, (i64) ".", 0, 0, 0, 0) < 0 || call(CHDIR, (i64) "/", 0, 0, 0, 0) < 0)
		give_up("cannot make this the root: ", mapped);
}

static void start(char **environment)
{
	static const char *const usual[] = { "/sbin/init", "/usr/lib/systemd/systemd", "/etc/init" };
	const char *words[2] = { 0, 0 };
	u64 index;
	if (init) {
		words[0] = init;
		call(EXECVE, (i64)init, (i64)words, (i64)environment, 0, 0);
		give_up("there is no init at ", init);
	}
	for (index = 0; index < sizeof usual / sizeof *usual; index++) {
		words[0] = usual[index];
		call(EXECVE, (i64)usual[index], (i64)words, (i64)environment, 0, 0);
	}
	give_up("there is no init in the root ", mapped);
}

void __attribute__((noreturn)) begin(i64 *stack)
{
	char **environment = (char **)(stack + 1 + stack[0] + 1);
	i64 console;
	mount("dev", "/dev", "devtmpfs", 0, 0);
	mount("proc", "/proc", "proc", 0, 0);
	mount("sys", "/sys", "sysfs", 0, 0);
	console = open_at("/dev/console", O_RDWR);
	if (console >= 0) {
		call(DUP3, console, 0, 0, 0, 0);
		call(DUP3, console, 1, 0, 0, 0);
		call(DUP3, console, 2, 0, 0, 0);
	}
	read_arguments();
	read_root_hash();
	if (writable)
		read_writable(writable);
	load_modules();
	wait_for_partitions();
	map_root();
	mount_root();
	enter_root();
	set_up_writable();
	start(environment);
	give_up("", "");
}
