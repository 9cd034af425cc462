/* The verified device: reads the superblock of the hash tree and has the device mapper check every block that is read (the
 * kernel's admin-guide/device-mapper/verity.rst and include/uapi/linux/dm-ioctl.h; the superblock: cryptsetup, "DM-Verity on-disk
 * format"). What the superblock says is checked by the root hash: with another salt or size no block has its digest. */

enum { DM_CREATE = 0xc138fd03, DM_LOAD = 0xc138fd09, DM_SUSPEND = 0xc138fd06, DM_LEN = 312, DM_READONLY = 1 };

static const char *root_hash_text;
static char mapped[40];

static char *append(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	*to = 0;
	return to;
}

static char *append_hex(char *to, const u8 *bytes, u64 len)
{
	while (len--) {
		*to++ = "0123456789abcdef"[*bytes >> 4];
		*to++ = "0123456789abcdef"[*bytes++ & 15];
	}
	*to = 0;
	return to;
}

static char *append_number(char *to, u64 number)
{
	char digits[24], *at = digits + 23;
	*at = 0;
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	return append(to, at);
}

/* One request to the device mapper, whose table is in `request` behind the header; ends where it fails. */
static void ask_mapper(i64 control, i64 what, u8 *request, u64 size, u32 flags)
{
	i64 failed;
	put_number(request, 4, 4);
	put_number(request + 4, 8, 0);
	put_number(request + 12, 4, size);
	put_number(request + 16, 4, DM_LEN);
	put_number(request + 20, 4, what == DM_LOAD);
	put_number(request + 28, 4, flags);
	append((char *)request + 48, "root");
	failed = call(IOCTL, control, what, (i64)request, 0, 0);
	if (failed < 0) {
		say_error("the device mapper refuses the verified root ", root_data.device, failed);
		give_up("this kernel has no dm-verity, or the root is not of this size: ", root_data.device);
	}
}

static void need(int holds, const char *what)
{
	if (!holds)
		give_up("the hash tree has another superblock than this image's, ", what);
}

/* Reads the superblock into `super`, checks it, and gives the number of data blocks. */
static u64 read_super(u8 *super)
{
	i64 fd = open_device(root_hash.device, O_RDONLY);
	u64 blocks, bytes;
	int byte;
	need(fd >= 0 && call(PREAD, fd, (i64)super, 512, 0, 0) == 512, "which cannot be read");
	call(CLOSE, fd, 0, 0, 0, 0);
	need(number_at(super, 8) == 0x797469726576, "without its magic number");
	need(number_at(super + 8, 4) == 1 && number_at(super + 12, 4) == 1, "of another version");
	for (byte = 6; byte < 32 && !super[32 + byte]; byte++)
		;
	need(after((const char *)super + 32, "sha256") && byte == 32, "with another digest than sha256");
	need(number_at(super + 64, 4) == 4096 && number_at(super + 68, 4) == 4096, "with other blocks than of 4096 bytes");
	need(number_at(super + 80, 2) <= 256, "with a salt longer than 256 bytes");
	blocks = number_at(super + 72, 8);
	fd = open_device(root_data.device, O_RDONLY);
	bytes = fd < 0 ? 0 : bytes_of(fd);
	call(CLOSE, fd, 0, 0, 0, 0);
	need(blocks && blocks <= bytes / 4096, "of a root that is longer than its partition");
	return blocks;
}

/* Makes /dev/dm-N of both partitions, whose path is then in `mapped`. */
static void map_root(void)
{
	static u8 super[512], request[4096];
	u64 blocks = read_super(super), device;
	char *to;
	i64 control = open_device("/dev/mapper/control", O_RDWR);
	if (control < 0)
		give_up("this kernel has no device mapper: ", "/dev/mapper/control");
	/* As libcryptsetup names it, so that `veritysetup status root` knows the device. */
	append_hex(append((char *)request + 176, "CRYPT-VERITY-"), super + 16, 16);
	append((char *)request + 176 + 13 + 32, "-root");
	ask_mapper(control, DM_CREATE, request, sizeof request, 0);
	device = number_at(request + 40, 8);
	append_number(append(mapped, "/dev/dm-"), (device & 0xff) | (device >> 12 & ~0xfful));

	memset(request, 0, sizeof request);
	put_number(request + DM_LEN + 8, 8, blocks * 8);
	append((char *)request + DM_LEN + 24, "verity");
	to = append((char *)request + DM_LEN + 40, "1 ");
	to = append(append(to, root_data.device), " ");
	to = append(append(to, root_hash.device), " 4096 4096 ");
	to = append(append_number(to, blocks), " 1 sha256 ");
	to = append(append(to, root_hash_text), " ");
	to = number_at(super + 80, 2) ? append_hex(to, super + 88, number_at(super + 80, 2)) : append(to, "-");
	/* A read that fails later would only be an error of one program. Blocks of zeros are not read: a volume need not have them. */
	append(to, " 2 panic_on_corruption ignore_zero_blocks");
	ask_mapper(control, DM_LOAD, request, sizeof request, DM_READONLY);
	memset(request, 0, sizeof request);
	ask_mapper(control, DM_SUSPEND, request, sizeof request, DM_READONLY);
	call(CLOSE, control, 0, 0, 0, 0);
}

static i64 mount(const char *what, const char *where, const char *fs, u64 flags, const char *options)
{
	return call(MOUNT, (i64)what, (i64)where, (i64)fs, (i64)flags, (i64)options);
}

/* Mounts the verified device on /root. */
static void mount_root(void)
{
	static u8 super[1024];
	i64 fd = open_device(mapped, O_RDONLY), failed = 0;
	if (fd < 0 || call(PREAD, fd, (i64)super, 1024, 1024, 0) != 1024)
		give_up("the verified root cannot be read: ", mapped);
	call(CLOSE, fd, 0, 0, 0, 0);
	if (number_at(super, 4) == 0xe0f5e1e2)
		failed = mount(mapped, "/root", "erofs", MS_RDONLY, 0);
	else if (number_at(super + 56, 2) == 0xef53)
		failed = mount(mapped, "/root", "ext4", MS_RDONLY, "noload");
	else
		give_up("the verified root is neither ext4 nor erofs: ", mapped);
	if (failed) {
		say_error("cannot mount the verified root ", mapped, failed);
		give_up("this kernel has no file system for it: ", mapped);
	}
	say_two("the root is verified by ", root_hash_text);
}
