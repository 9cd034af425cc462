# Stage 1: the first 440 bytes of the disk. Reads stage 2 (8 sectors) to 0x8000 and jumps there, with the drive in DL.
#
# The BIOS loads sector 0 to 0x7c00 and jumps there in real mode with the drive's number in DL. Needs INT 13h, AH=42h
# (EDD). When it cannot go on it says so on the screen (INT 10h, AH=0Eh) and on the first serial port, and stops.
#
#   as --32 -o stage1.o stage1.S && ld -m elf_i386 -e start -Ttext 0x7c00 --oformat binary -o stage1.bin stage1.o
        .code16
        .globl  start
start:  cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
        cld
        ljmp    $0, $here               # some firmware starts us at 07c0:0000
here:   movb    $3, %cl                 # tries
again:  movw    $packet, %si
        movw    $8, 2(%si)              # some firmware writes what it read there
        movb    $0x42, %ah
        pushw   %cx
        int     $0x13
        popw    %cx
        jnc     loaded
        xorw    %ax, %ax                # reset the drive
        pushw   %cx
        int     $0x13
        popw    %cx
        decb    %cl
        jnz     again
        movw    $unread, %si
        jmp     stop
loaded: cmpl    $0x32494d41, 0x8002     # "AMI2"
        movw    $absent, %si
        jne     stop
        ljmp    $0, $0x8000

# Says what stands at SI, and stops.
stop:   lodsb
        testb   %al, %al
        jz      halt
        pushw   %ax
        movw    $7, %bx                 # page 0
        movb    $0x0e, %ah
        int     $0x10
        movw    $0x3fd, %dx             # line status of the serial port
        movw    $0xffff, %cx
1:      inb     %dx, %al
        testb   $0x20, %al
        loopz   1b                      # until it takes a byte, but not for ever
        movw    $0x3f8, %dx
        popw    %ax
        outb    %al, %dx
        jmp     stop
halt:   cli
        hlt
        jmp     halt

unread: .asciz  "\r\namiforge: stopped: the BIOS cannot read the disk\r\n"
absent: .asciz  "\r\namiforge: stopped: the loader is not where it was written\r\n"

        .org    424
packet: .byte   16, 0                   # its length
        .word   8                       # sectors
        .word   0x8000, 0               # offset, segment
        .quad   0                       # first sector: written by the builder at byte 432
