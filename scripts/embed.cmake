# cmake -DINPUT=a.lua -DOUTPUT=a.h -DNAME=a_lua -P embed.cmake
# Turns a file into `static const unsigned char NAME[]`, so that one program is enough.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n"
  bytes "${bytes}")
file(WRITE ${OUTPUT} "/* Made from ${INPUT}. */\nstatic const unsigned char ${NAME}[] = {\n${bytes}0};\n")
