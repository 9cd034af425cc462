/* What a machine with a verified root may write: /etc and /var as overlays, in memory or on the data partition, which is made,
 * extended and repaired here. Runs when the verified root is /, so that the programs it starts are verified.
 *
 * amiforge.writable=etc:tmpfs,var:data (names and media in any number, each name once); media: tmpfs, data, none.
 * Overlays: the kernel's filesystems/overlayfs.rst. What a new version of an image changes below a layer is seen where the layer
 * has no file of its own, which the options here allow ("Changes to underlying filesystems").
 *
 * Factory reset: a file `factory-reset` at the top of the data partition, which is mounted on /run/amiforge/data, has the next
 * boot format it. */

#define MS_NOSUID 2
#define MS_NODEV 4
#define MS_NOATIME 1024
#define EXT4_IOC_RESIZE_FS 0x40086610
#define DATA_POINT "/run/amiforge/data"

enum medium { NONE, MEMORY, DATA };
static struct area {
	const char *name, *lower, *memory, *data;
	enum medium medium;
	int given;
} areas[] = {
	{ "etc", "/etc", "/run/amiforge/etc", DATA_POINT "/etc", NONE, 0 },
	{ "var", "/var", "/run/amiforge/var", DATA_POINT "/var", NONE, 0 },
};
enum { AREAS = sizeof areas / sizeof *areas };

/* Reads the value of amiforge.writable=; one that is not as it should be ends the boot. */
static void read_writable(const char *value)
{
	static const char *const media[] = { "none", "tmpfs", "data" };
	const char *at = value, *next = 0;
	int area, medium;
	do {
		for (area = 0; area < AREAS; area++)
			if ((next = after(at, areas[area].name)) && *next == ':')
				break;
		if (area == AREAS || areas[area].given)
			give_up("this is no list of what is writable: amiforge.writable=", value);
		for (medium = 0, at = next + 1; medium < 3; medium++)
			if ((next = after(at, media[medium])) && (!*next || *next == ','))
				break;
		if (medium == 3)
			give_up("this is no list of what is writable: amiforge.writable=", value);
		areas[area].medium = (enum medium)medium;
		areas[area].given = 1;
		at = next + 1;
	} while (*next == ',');
}

static int uses(enum medium medium)
{
	int area;
	for (area = 0; area < AREAS && areas[area].medium != medium; area++)
		;
	return area < AREAS;
}

/* Runs a program of the verified root and gives its exit code, or -1. */
static int run(const char *const *words)
{
	static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", 0 };
	int status = 0;
	i64 child = call(CLONE, 17, 0, 0, 0, 0);
	if (!child) {
		call(EXECVE, (i64)*words, (i64)words, (i64)environment, 0, 0);
		call(EXIT, 127, 0, 0, 0, 0);
	}
	if (child < 0 || call(WAIT4, child, (i64)&status, 0, 0, 0) != child || status & 0x7f)
		return -1;
	return status >> 8 & 0xff;
}

/* Formats the data partition. */
static void format(void)
{
	const char *words[] = { "/sbin/mke2fs", "-q",      "-F", "-t", "ext4", "-b", "4096", "-m", "1", "-E",
				"nodiscard",    "-L", data_name, data.device, 0 };
	say_two("formatting the data partition ", data.device);
	if (run(words))
		give_up("mke2fs of the root cannot format the data partition ", data.device);
	mark(0);
}

/* Repairs what a loss of power left, as every boot of a Linux machine does. */
static void repair(void)
{
	const char *words[] = { "/sbin/e2fsck", "-p", data.device, 0 };
	int code = run(words);
	/* 0 no errors, 1 errors corrected (e2fsck(8)); 127 is ours. */
	if (code != 0 && code != 1 && code != 127)
		give_up("the data partition has errors that e2fsck -p does not repair: ", data.device);
}

/* Extends the file system to the end of its partition. */
static void grow_file_system(void)
{
	static u8 super[1024];
	i64 device = open_device(data.device, O_RDONLY), point, failed = 0;
	u64 blocks, all;
	if (device < 0)
		return;
	all = bytes_of(device) / 4096;
	if (call(PREAD, device, (i64)super, 1024, 1024, 0) == 1024 && number_at(super + 24, 4) == 2) {
		blocks = number_at(super + 4, 4) | (number_at(super + 96, 4) & 0x80 ? number_at(super + 336, 4) << 32 : 0);
		point = open_at(DATA_POINT, O_RDONLY | O_DIRECTORY);
		/* Less than a MiB is not worth it: a last group needs room for its tables. */
		if (point >= 0 && all > blocks + 256)
			failed = call(IOCTL, point, EXT4_IOC_RESIZE_FS, (i64)&all, 0, 0);
		call(CLOSE, point, 0, 0, 0, 0);
	}
	call(CLOSE, device, 0, 0, 0, 0);
	if (failed)
		say_error("cannot extend the file system on ", data.device, failed);
}

static void folder(const char *path, int mode)
{
	i64 failed = call(MKDIRAT, AT_FDCWD, (i64)path, mode, 0, 0);
	if (failed && failed != -EEXIST) {
		say_error("cannot make the folder ", path, failed);
		give_up("what is writable cannot be set up: ", path);
	}
}

/* Mounts the data partition on DATA_POINT. */
static void mount_data(void)
{
	i64 failed, flag;
	folder(DATA_POINT, 0700);
	grow_partition();
	for (;;) {
		if (is_marked())
			format();
		else
			repair();
		failed = mount(data.device, DATA_POINT, "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME, 0);
		if (failed) {
			say_error("cannot mount the data partition ", data.device, failed);
			give_up("it is formatted where attribute 48 of its entry in the partition table is set: ", data.device);
		}
		flag = open_at(DATA_POINT "/factory-reset", O_RDONLY);
		if (flag < 0)
			break;
		call(CLOSE, flag, 0, 0, 0, 0);
		say_two("factory reset: the data partition starts from blank: ", data.device);
		mark(1);
		failed = call(UMOUNT2, (i64)DATA_POINT, 0, 0, 0, 0);
		if (failed)
			give_up("the data partition is in use: ", data.device);
	}
	grow_file_system();
}

/* Mounts an overlay on /etc or /var, with its upper layer below `base`. */
static void overlay(const struct area *area, const char *base)
{
	char upper[64], work[64], options[400];
	i64 failed;
	append(append(upper, base), "/upper");
	append(append(work, base), "/work");
	folder(base, 0755);
	if (area->medium == MEMORY) {
		failed = mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
		if (failed)
			give_up("this kernel has no tmpfs: ", base);
	}
	folder(upper, 0755);
	folder(work, 0755);
	append(append(append(append(append(append(append(options, "lowerdir="), area->lower), ",upperdir="), upper), ",workdir="), work),
	       ",index=off,xino=off,redirect_dir=off,metacopy=off");
	failed = mount("overlay", area->lower, "overlay", 0, options);
	if (failed) {
		say_error("cannot mount an overlay on ", area->lower, failed);
		give_up("this kernel has no overlay, or the root no such folder: ", area->lower);
	}
	say_two(area->medium == DATA ? "on the data partition: " : "in memory: ", area->lower);
}

static void set_up_writable(void)
{
	int area;
	if (!uses(MEMORY) && !uses(DATA))
		return;
	/* With the limits of systemd, which keeps one that is mounted. */
	if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=20%,nr_inodes=800k"))
		give_up("the root has no folder ", "/run");
	folder("/run/amiforge", 0700);
	if (uses(DATA))
		mount_data();
	for (area = 0; area < AREAS; area++)
		if (areas[area].medium != NONE)
			overlay(&areas[area], areas[area].medium == DATA ? areas[area].data : areas[area].memory);
}
