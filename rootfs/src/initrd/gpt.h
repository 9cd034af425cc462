/* Partition tables (UEFI 2.10, section 5.3): finds the partitions of a verified root and of its data, and changes the entry of
 * the latter. A table whose checksums are wrong has no partitions, for the kernel and here. Sectors are of 512 bytes, as those of
 * EBS volumes. */

#define BLKGETSIZE64 0x80081272
#define BLKPG 0x1269
#define BLKPG_RESIZE_PARTITION 3
#define ENXIO 6

enum { SECTOR = 512, ENTRIES_MAX = 32768, NAME_MAX = 40 };

/* The name of the data partition in the table. Its type is that of any Linux file system, so that no discovery mounts it. */
static const char data_name[] = "amiforge-data";
static const u8 linux_type[16] = { 0x0f, 0xc6, 0x3d, 0xaf, 0x84, 0x83, 0x47, 0x72, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 };

/* Attribute 48 of the data partition, which its type leaves to the operating system: it is to be formatted. Set by the image and
 * by a factory reset, cleared when the file system is complete; so nothing is taken for blank because it is damaged, and a
 * format that was cut off is begun again. */
enum { FORMAT_BYTE = 54, FORMAT_BIT = 1 };

/* A partition; `count` is on how many disks it was seen. */
struct partition {
	char disk[NAME_MAX + 8], device[NAME_MAX + 24];
	u32 number, count;
};

/* Data on the disk of the root, data on another, and that of both that is used. */
static struct partition root_data, root_hash, own_data, other_data, data;
static u8 root_data_id[16], root_hash_id[16];

/* Header and entries of the table that was read last. */
static u8 table[SECTOR + ENTRIES_MAX];
static u8 *const entries = table + SECTOR;
static u64 entry_count, entry_size;

static void put_number(u8 *bytes, int len, u64 number)
{
	while (len--)
		*bytes++ = (u8)number, number >>= 8;
}

/* CRC-32 as of Ethernet. */
static u32 crc_of(const u8 *bytes, u64 len)
{
	u32 crc = ~0u;
	int bit;
	while (len--) {
		crc ^= *bytes++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static u32 header_crc(u8 *header)
{
	u64 size = number_at(header + 12, 4);
	put_number(header + 16, 4, 0);
	return crc_of(header, size);
}

/* Reads the primary table of a disk; whether it has one, and one that is whole. */
static int read_table(i64 disk)
{
	u64 len, at;
	u32 crc;
	if (call(PREAD, disk, (i64)table, SECTOR, SECTOR, 0) != SECTOR || number_at(table, 8) != 0x5452415020494645)
		return 0;
	len = number_at(table + 12, 4);
	crc = (u32)number_at(table + 16, 4);
	if (len < 92 || len > SECTOR || header_crc(table) != crc)
		return 0;
	put_number(table + 16, 4, crc);
	at = number_at(table + 72, 8);
	entry_count = number_at(table + 80, 4);
	entry_size = number_at(table + 84, 4);
	if (at < 2 || at >> 48 || entry_size < 128 || entry_size > 4096 || !entry_count || entry_count > ENTRIES_MAX / entry_size)
		return 0;
	len = entry_count * entry_size;
	return call(PREAD, disk, (i64)entries, (i64)len, (i64)(at * SECTOR), 0) == (i64)len &&
	       crc_of(entries, len) == number_at(table + 88, 4);
}

static u64 bytes_of(i64 device)
{
	u64 bytes = 0;
	return call(IOCTL, device, BLKGETSIZE64, (i64)&bytes, 0, 0) < 0 ? 0 : bytes;
}

static i64 write_all(i64 disk, const u8 *bytes, u64 len, u64 sector)
{
	i64 done = call(PWRITE, disk, (i64)bytes, (i64)len, (i64)(sector * SECTOR), 0);
	return done < 0 ? done : done == (i64)len ? 0 : -5;
}

/* Writes the table that was read last, as it was changed since: the copy at the end of the disk first, so that one of both is
 * whole whenever the power fails. Gives 0 or an error. */
static i64 write_table(i64 disk)
{
	static u8 copy[SECTOR];
	u64 len = entry_count * entry_size, sectors = (len + SECTOR - 1) / SECTOR;
	u64 at = number_at(table + 72, 8), last = number_at(table + 32, 8);
	i64 failed;
	if (last < 2 + sectors || last >= bytes_of(disk) / SECTOR)
		return -22;
	put_number(table + 88, 4, crc_of(entries, len));
	put_number(table + 16, 4, header_crc(table));
	memcpy(copy, table, SECTOR);
	put_number(copy + 24, 8, last);
	put_number(copy + 32, 8, 1);
	put_number(copy + 72, 8, last - sectors);
	put_number(copy + 16, 4, header_crc(copy));
	failed = write_all(disk, entries, len, last - sectors);
	if (!failed)
		failed = write_all(disk, copy, SECTOR, last);
	if (!failed)
		failed = call(FSYNC, disk, 0, 0, 0, 0);
	/* In one piece where the entries follow the header, as they nearly always do. */
	if (!failed && at != 2)
		failed = write_all(disk, entries, len, at);
	if (!failed)
		failed = write_all(disk, table, at == 2 ? SECTOR + len : SECTOR, 1);
	return failed ? failed : call(FSYNC, disk, 0, 0, 0, 0);
}

static int has_id(const u8 *in_entry, const u8 *id)
{
	int byte;
	for (byte = 0; byte < 16 && in_entry[in_table[byte]] == id[byte]; byte++)
		;
	return byte == 16;
}

/* Whether an entry is of a data partition. */
static int is_data(const u8 *entry)
{
	u64 at;
	for (at = 0; at < sizeof data_name; at++)
		if (number_at(entry + 56 + at * 2, 2) != (u8)data_name[at])
			return 0;
	return has_id(entry, linux_type);
}

/* Notes that a disk has a partition. */
static void note(struct partition *partition, const char *disk, u32 number)
{
	char digits[12], *at = digits + 11, *end;
	u64 len = len_of(disk);
	if (partition->count++)
		return;
	partition->number = number;
	memcpy(partition->disk, disk, len + 1);
	memcpy(partition->device, disk, len);
	end = partition->device + len;
	if (digit(end[-1]) >= 0 && digit(end[-1]) < 10)
		*end++ = 'p';
	*at = 0;
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	memcpy(end, at, len_of(at) + 1);
}

/* Notes which of the partitions that are looked for a device has, if it is a disk. */
static void look_at(const char *name)
{
	char disk[NAME_MAX + 8];
	u64 len = len_of(name), index;
	u32 has_root = 0, has_data = 0;
	i64 fd;
	if (len > NAME_MAX)
		return;
	memcpy(disk, "/dev/", 5);
	memcpy(disk + 5, name, len + 1);
	fd = open_at(disk, O_RDONLY);
	if (fd < 0)
		return;
	if (read_table(fd))
		for (index = 0; index < entry_count; index++) {
			const u8 *entry = entries + index * entry_size;
			if (has_id(entry + 16, root_data_id))
				note(&root_data, disk, has_root = (u32)index + 1);
			else if (has_id(entry + 16, root_hash_id))
				note(&root_hash, disk, (u32)index + 1);
			else if (is_data(entry))
				note(&other_data, disk, has_data = (u32)index + 1);
		}
	if (has_root && has_data)
		note(&own_data, disk, has_data);
	call(CLOSE, fd, 0, 0, 0, 0);
}

/* Looks at every block device. */
static void look(void)
{
	static u8 names[8192];
	i64 folder, got, at;
	root_data.count = root_hash.count = own_data.count = other_data.count = 0;
	folder = open_at("/sys/class/block", O_RDONLY | O_DIRECTORY);
	if (folder < 0)
		return;
	while ((got = call(GETDENTS, folder, (i64)names, sizeof names, 0, 0)) > 0)
		for (at = 0; at < got; at += (i64)number_at(names + at + 16, 2)) {
			const char *name = (const char *)names + at + 19;
			if (*name != '.')
				look_at(name);
		}
	call(CLOSE, folder, 0, 0, 0, 0);
}

static void pause_tenth(void)
{
	i64 tenth[2] = { 0, 100000000 };
	call(NANOSLEEP, (i64)tenth, 0, 0, 0, 0);
}

/* Opens a device, whose node may come a moment after that of its disk. */
static i64 open_device(const char *path, int flags)
{
	i64 fd;
	int tries;
	for (tries = 0; tries < 50; tries++) {
		fd = open_at(path, flags);
		if (fd != -ENOENT && fd != -ENXIO)
			break;
		pause_tenth();
	}
	return fd;
}

/* Reads the table of the data partition's disk to change it; gives the disk, or an error. */
static i64 open_table(u8 **entry)
{
	i64 disk = open_device(data.disk, O_RDWR);
	if (disk >= 0 && (!read_table(disk) || data.number > entry_count)) {
		call(CLOSE, disk, 0, 0, 0, 0);
		return -5;
	}
	*entry = entries + (data.number - 1) * entry_size;
	return disk;
}

/* Whether the data partition is to be formatted. */
static int is_marked(void)
{
	u8 *entry;
	i64 disk = open_table(&entry);
	if (disk < 0)
		return 0;
	call(CLOSE, disk, 0, 0, 0, 0);
	return entry[FORMAT_BYTE] & FORMAT_BIT;
}

/* Notes in the table whether the data partition is to be formatted. */
static void mark(int format)
{
	u8 *entry;
	i64 disk = open_table(&entry), failed;
	if (disk < 0) {
		say_error("cannot read the partition table of ", data.disk, disk);
		give_up("the data partition cannot be formatted: ", data.device);
	}
	entry[FORMAT_BYTE] = (u8)((entry[FORMAT_BYTE] & ~FORMAT_BIT) | (format ? FORMAT_BIT : 0));
	failed = write_table(disk);
	call(CLOSE, disk, 0, 0, 0, 0);
	if (failed) {
		say_error("cannot write the partition table of ", data.disk, failed);
		give_up("the data partition cannot be formatted: ", data.device);
	}
}

/* Extends the data partition to the end of its disk, if nothing follows it there and it is worth another table. */
static void grow_partition(void)
{
	struct {
		int op, flags, len;
		void *about;
	} change = { BLKPG_RESIZE_PARTITION, 0, 152, 0 };
	struct {
		i64 start, len;
		int number;
		char names[128];
		int padding;
	} about;
	u8 *entry;
	u64 first, last, end, all, sectors, index;
	i64 disk = open_table(&entry), failed;
	if (disk < 0)
		return;
	first = number_at(entry + 32, 8);
	last = number_at(entry + 40, 8);
	all = bytes_of(disk) / SECTOR;
	sectors = (entry_count * entry_size + SECTOR - 1) / SECTOR;
	end = (all - sectors - 1) & ~7ul;
	for (index = 0; index < entry_count; index++)
		if (number_at(entries + index * entry_size, 8) && number_at(entries + index * entry_size + 40, 8) > last)
			end = 0;
	if (all > sectors + 2048 && end > last + 2048) {
		put_number(entry + 40, 8, end - 1);
		put_number(table + 32, 8, all - 1);
		put_number(table + 48, 8, all - sectors - 2);
		failed = write_table(disk);
		memset(&about, 0, sizeof about);
		about.start = (i64)(first * SECTOR);
		about.len = (i64)((end - first) * SECTOR);
		about.number = (int)data.number;
		change.about = &about;
		if (!failed)
			failed = call(IOCTL, disk, BLKPG, (i64)&change, 0, 0);
		if (failed)
			say_error("cannot extend the data partition ", data.device, failed);
		else
			say_two("the data partition ends with its disk: ", data.device);
	}
	call(CLOSE, disk, 0, 0, 0, 0);
}
