/* What the first programs of images share: the modules of their archive, numbers, and ids as they are written. */

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

/* Where each byte of an id as it is written stands in a GPT: its first three parts are little-endian. */
static const u8 in_table[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
