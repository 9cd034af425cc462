# Stage 2: loads Linux as its boot protocol says (Documentation/arch/x86/boot.rst) and starts its real-mode entry.
#
# Stage 1 reads these 4096 bytes to 0x8000 and jumps to the first, with the drive in DL. Numbers at 0x08 and the command
# line at 0x800 are written by the builder, who has checked the kernel's header; here it is looked at once more, since
# what is read may be something else by now. Needs INT 13h, AH=42h (EDD) and nothing else of the BIOS: blocks are copied
# above 1 MiB by going to protected mode for each. Stops with words on the screen and on the first serial port.
#
# Memory: 0x8000 this, 0x10000 the kernel's setup, its heap to 0x1de00 and its stack below 0x1e000, 0x1e000 the command
# line, 0x20000 to 0x2fe00 a block that was read, 0x100000 the kernel, and the initrd where the builder says.
#
#   as --32 -o stage2.o stage2.S && ld -m elf_i386 -e start -Ttext 0x8000 --oformat binary -o stage2.bin stage2.o
        .code16
        .globl  start
start:  jmp     begin
        .org    2
        .ascii  "AMI2"
        .org    8
kernel_lba:     .quad   0               # 0x08: first sector of the kernel
initrd_lba:     .quad   0               # 0x10: first sector of the initrd
kernel_sectors: .long   0               # 0x18
initrd_sectors: .long   0               # 0x1c
initrd_bytes:   .long   0               # 0x20
initrd_at:      .long   0               # 0x24: where it goes in memory
memory_kib:     .long   0               # 0x28: where the memory that is needed ends
                .long   0               # 0x2c: nothing
        .org    0x40

# The block read at once: 127 sectors are what every BIOS takes, and end below the next 64 KiB.
        .set    BLOCK, 127
        .set    BUFFER, 0x2000          # its segment
        .set    SETUP, 0x1000           # segment of the kernel's setup

begin:  movb    %dl, drive
        call    serial
        movw    $hello, %si
        call    say
        call    a20
        call    memory

        movl    kernel_lba, %eax
        movl    %eax, lba
        movl    kernel_lba + 4, %eax
        movl    %eax, lba + 4
        movw    $SETUP, segment
        movw    $2, count               # the header ends in the second sector
        call    read
        movw    $SETUP, %ax
        movw    %ax, %fs
        movw    $no_kernel, %si
        cmpl    $0x53726448, %fs:0x202  # "HdrS"
        jne     stop
        movw    $too_old, %si
        cmpw    $0x020a, %fs:0x206      # init_size came with protocol 2.10
        jb      stop
        movw    $too_new, %si
        cmpw    $0x020f, %fs:0x206
        ja      stop
        movzbw  %fs:0x1f1, %cx          # sectors of setup after the first; 0 means 4
        testb   %cl, %cl
        jnz     1f
        movb    $4, %cl
1:      incw    %cx
        movw    %cx, count
        movw    $no_kernel, %si
        cmpw    $64, %cx                # it may fill 32 KiB
        ja      stop
        call    read

        movb    $0xff, %fs:0x210        # type of loader: none that has a number
        orb     $0x80, %fs:0x211        # the heap's end is told
        movw    $0xde00, %fs:0x224
        movl    $0x1e000, %fs:0x228     # command line
        movw    $0xffff, %fs:0x1fa      # the screen's usual mode
        movw    $SETUP + 0xe00, %ax
        movw    %ax, %es
        movw    $words, %si
        xorw    %di, %di
        movw    $0x200, %cx
        rep movsl
        movw    %cx, %es

        movzwl  count, %eax
        addl    %eax, lba
        adcl    $0, lba + 4
        movl    kernel_sectors, %ecx
        subl    %eax, %ecx
        movl    $0x100000, %edi
        call    load

        movl    initrd_sectors, %ecx
        testl   %ecx, %ecx
        jz      enter
        movl    initrd_bytes, %eax
        movl    %eax, %fs:0x21c
        movl    initrd_at, %edi
        movl    %edi, %fs:0x218
        movl    initrd_lba, %eax
        movl    %eax, lba
        movl    initrd_lba + 4, %eax
        movl    %eax, lba + 4
        call    load

enter:  cli
        movw    $SETUP, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movw    $0xe000, %sp
        ljmp    $SETUP + 0x20, $0

# Reads ECX sectors from lba on to the address EDI.
load:   movl    $BLOCK, %eax
        cmpl    %eax, %ecx
        jae     1f
        movl    %ecx, %eax
1:      testl   %ecx, %ecx
        jz      9f
        movw    %ax, count
        movw    $BUFFER, segment
        pushl   %ecx
        pushl   %edi
        call    read
        popl    %edi
        call    copy
        popl    %ecx
        movzwl  count, %eax
        addl    %eax, lba
        adcl    $0, lba + 4
        subl    %eax, %ecx
        jmp     load
9:      ret

# Copies the block to EDI in protected mode, and leaves EDI behind its end.
copy:   movzwl  count, %ecx
        shll    $7, %ecx                # words of 32 bits
        movl    $BUFFER << 4, %esi
        cli
        lgdtl   gdt_place
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmp    $0x08, $1f
        .code32
1:      movw    $0x10, %ax
        movw    %ax, %ds
        movw    %ax, %es
        rep movsl
        ljmp    $0x18, $2f
        .code16
2:      movw    $0x20, %ax              # limits of 64 KiB, as real mode has them
        movw    %ax, %ds
        movw    %ax, %es
        movl    %cr0, %eax
        andb    $0xfe, %al
        movl    %eax, %cr0
        ljmp    $0, $3f
3:      xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        sti
        ret

# Reads count sectors from lba on to segment:0, with three tries.
read:   movb    $3, %cl
1:      movw    $packet, %si
        movb    drive, %dl
        movb    $0x42, %ah
        pushw   count                   # some firmware writes what it read there
        pushw   %cx
        int     $0x13
        popw    %cx
        popw    count
        jnc     9f
        movb    drive, %dl
        xorw    %ax, %ax
        pushw   %cx
        int     $0x13
        popw    %cx
        decb    %cl
        jnz     1b
        movw    $unread, %si
        jmp     stop
9:      ret

# Lets addresses have bit 20: by the BIOS, by port 92h; then looks whether they have.
a20:    movw    $0x2401, %ax
        int     $0x15
        inb     $0x92, %al
        testb   $2, %al
        jnz     1f
        orb     $2, %al
        andb    $0xfe, %al              # bit 0 resets the machine
        outb    %al, $0x92
1:      movw    $0xffff, %ax
        movw    %ax, %es
        movw    $0xffff, %cx
2:      notw    0x7dfe                  # ffff:7e0e is 0x7dfe where bit 20 is lost
        movw    0x7dfe, %ax
        cmpw    %es:0x7e0e, %ax
        jne     9f
        notw    0x7dfe
        movw    0x7dfe, %ax
        cmpw    %es:0x7e0e, %ax
        jne     9f
        loop    2b
        movw    $no_a20, %si
        jmp     stop
9:      xorw    %ax, %ax
        movw    %ax, %es
        ret

# Compares the memory that is needed with what the BIOS tells (INT 15h, AX=E801h), where it does.
memory: xorw    %cx, %cx
        xorw    %dx, %dx
        movw    $0xe801, %ax
        int     $0x15
        jc      9f
        movw    %cx, %si                # KiB from 1 MiB to 16 MiB
        orw     %dx, %si
        jnz     1f
        movw    %ax, %cx                # told in the other pair of registers
        movw    %bx, %dx                # blocks of 64 KiB from 16 MiB on
1:      movzwl  %cx, %ecx
        addl    $1024, %ecx
        cmpl    $16384, %ecx
        jb      2f
        movzwl  %dx, %edx
        shll    $6, %edx
        leal    16384(%edx), %ecx
2:      movw    $no_memory, %si
        cmpl    memory_kib, %ecx
        jb      stop
9:      ret

# Says what stands at SI, and stops.
stop:   pushw   %si
        movw    $stopped, %si
        call    say
        popw    %si
        call    say
        movw    $newline, %si
        call    say
1:      cli
        hlt
        jmp     1b

# Says what stands at SI on the screen and on the serial port.
say:    lodsb
        testb   %al, %al
        jz      9f
        pushw   %si
        pushw   %ax
        movw    $7, %bx
        movb    $0x0e, %ah
        int     $0x10
        movw    $0x3fd, %dx
        movw    $0xffff, %cx
1:      inb     %dx, %al
        testb   $0x20, %al
        loopz   1b
        movw    $0x3f8, %dx
        popw    %ax
        outb    %al, %dx
        popw    %si
        jmp     say
9:      ret

# 115200 bits a second, 8 bits, no parity, one stop bit.
serial: movw    $0x3fb, %dx
        movb    $0x83, %al
        outb    %al, %dx
        movw    $0x3f8, %dx
        movb    $1, %al
        outb    %al, %dx
        incw    %dx
        movb    $0, %al
        outb    %al, %dx
        movw    $0x3fb, %dx
        movb    $3, %al
        outb    %al, %dx
        ret

hello:          .asciz  "\r\namiforge: loading Linux\r\n"
stopped:        .asciz  "amiforge: stopped: "
unread:         .asciz  "the BIOS cannot read the disk"
no_kernel:      .asciz  "no kernel where one was written"
too_old:        .asciz  "the kernel is too old for this loader"
too_new:        .asciz  "the kernel is too new for this loader"
no_a20:         .asciz  "address line 20 stays off"
no_memory:      .asciz  "too little memory for kernel and initrd"
newline:        .asciz  "\r\n"

        .balign 4
drive:  .byte   0
        .balign 4
packet: .byte   16, 0
count:  .word   0
        .word   0
segment: .word  0
lba:    .quad   0

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff      # 08: code of 32 bits, all of memory
        .quad   0x00cf92000000ffff      # 10: its bytes
        .quad   0x00009a000000ffff      # 18: code of 16 bits, 64 KiB
        .quad   0x000092000000ffff      # 20: its bytes
gdt_place:
        .word   . - gdt - 1
        .long   gdt

        .org    0x800
words:  .org    0x1000                  # the command line, ended by a NUL
