/* digest.c -- SHA-256, HMAC-SHA256 and base64, by OpenSSL.
 *
 * Each thread keeps three contexts, made at its first hash and freed when it ends (a
 * key's destructor). An HMAC copies the two that have read a pad block already: for
 * short texts four fifths of what a reused EVP_MAC costs, for long ones the same. */
#include "digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { PAD_SIZE = 64 }; /* a block of SHA-256 */

struct hasher {
    EVP_MD_CTX *work;
    EVP_MD_CTX *inner, *outer; /* behind the pads of the key `ao` */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* of a thread's struct hasher */
static EVP_MD *sha256;    /* NULL if preparing failed */

static void hasher_free(void *arg) {
    struct hasher *hasher = arg;
    EVP_MD_CTX_free(hasher->work);
    EVP_MD_CTX_free(hasher->inner);
    EVP_MD_CTX_free(hasher->outer);
    free(hasher);
}

static void prepare(void) {
    if (pthread_key_create(&key, hasher_free) == 0)
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* A context that has read the key `ao` xor `filling` (RFC 2104). */
static EVP_MD_CTX *padded(unsigned char filling) {
    unsigned char pad[PAD_SIZE];
    memset(pad, filling, sizeof pad);
    pad[0] ^= 'a';
    pad[1] ^= 'o';
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && EVP_DigestInit_ex2(context, sha256, NULL) &&
        EVP_DigestUpdate(context, pad, sizeof pad))
        return context;
    EVP_MD_CTX_free(context);
    return NULL;
}

/* The hasher of this thread; NULL without memory, or without OpenSSL's SHA-256. */
static struct hasher *hasher_get(void) {
    if (pthread_once(&once, prepare) || !sha256)
        return NULL;
    struct hasher *hasher = pthread_getspecific(key);
    if (hasher || !(hasher = malloc(sizeof *hasher)))
        return hasher;
    hasher->work = EVP_MD_CTX_new();
    hasher->inner = padded(0x36);
    hasher->outer = padded(0x5c);
    if (hasher->work && hasher->inner && hasher->outer &&
        pthread_setspecific(key, hasher) == 0)
        return hasher;
    hasher_free(hasher);
    return NULL;
}

static enum cairn_status fail(struct cairn_error *error) {
    return cairn_fail(error, CAIRN_NO_MEMORY, "digest: OpenSSL cannot hash SHA-256");
}

enum cairn_status digest_sha256(const struct cairn_slice *pieces, size_t count,
                                unsigned char out[DIGEST_SIZE],
                                struct cairn_error *error) {
    struct hasher *hasher = hasher_get();
    if (!hasher || !EVP_DigestInit_ex2(hasher->work, sha256, NULL))
        return fail(error);
    for (size_t i = 0; i < count; i++) {
        if (!EVP_DigestUpdate(hasher->work, pieces[i].data, pieces[i].size))
            return fail(error);
    }
    return EVP_DigestFinal_ex(hasher->work, out, NULL) ? CAIRN_OK : fail(error);
}

/* The hash of what `prefix` has read and `bytes`. */
static bool finish(EVP_MD_CTX *work, const EVP_MD_CTX *prefix, const void *bytes,
                   size_t size, unsigned char out[DIGEST_SIZE]) {
    return EVP_MD_CTX_copy_ex(work, prefix) && EVP_DigestUpdate(work, bytes, size) &&
           EVP_DigestFinal_ex(work, out, NULL);
}

enum cairn_status digest_hmac_ao(struct cairn_slice bytes,
                                 unsigned char out[DIGEST_SIZE],
                                 struct cairn_error *error) {
    unsigned char inner[DIGEST_SIZE];
    struct hasher *hasher = hasher_get();
    if (hasher && finish(hasher->work, hasher->inner, bytes.data, bytes.size, inner) &&
        finish(hasher->work, hasher->outer, inner, sizeof inner, out))
        return CAIRN_OK;
    return fail(error);
}

/* -- Base64 ----------------------------------------------------------------------- */

static const char standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The six bits that a character stands for, and one more: 0 is no character. The two
 * alphabets share all but the last two. */
#define SHARED_BITS                                                                    \
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7,       \
    ['H'] = 8, ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,  \
    ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20,            \
    ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26,            \
    ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,            \
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38,            \
    ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,            \
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50,            \
    ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,            \
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62
static const unsigned char standard_bits[256] = {SHARED_BITS, ['+'] = 63, ['/'] = 64};
static const unsigned char url_bits[256] = {SHARED_BITS, ['-'] = 63, ['_'] = 64};

/* Writes the characters of three bytes, or of the last one or two; returns its end. */
static char *encode_group(const unsigned char *in, size_t size, const char *alphabet,
                          char *out) {
    unsigned group = (unsigned)in[0] << 16;
    if (size > 1)
        group |= (unsigned)in[1] << 8;
    if (size > 2)
        group |= in[2];
    *out++ = alphabet[group >> 18];
    *out++ = alphabet[group >> 12 & 63];
    if (size > 1)
        *out++ = alphabet[group >> 6 & 63];
    if (size > 2)
        *out++ = alphabet[group & 63];
    return out;
}

static bool append(struct cairn_bytes *out, struct cairn_slice bytes,
                   const char *alphabet, bool pads) {
    if (!bytes.size)
        return true;
    if (bytes.size > SIZE_MAX / 4 ||
        !cairn_bytes_reserve(out, (bytes.size + 2) / 3 * 4))
        return false;
    const unsigned char *in = (const unsigned char *)bytes.data;
    char *to = out->data + out->size;
    size_t left = bytes.size;
    for (; left >= 3; left -= 3, in += 3)
        to = encode_group(in, 3, alphabet, to);
    if (left) {
        to = encode_group(in, left, alphabet, to);
        for (size_t i = left; pads && i < 3; i++)
            *to++ = '=';
    }
    out->size = (size_t)(to - out->data);
    return true;
}

bool base64_append(struct cairn_slice bytes, struct cairn_bytes *out) {
    return append(out, bytes, standard, true);
}

bool base64url_append(struct cairn_slice bytes, struct cairn_bytes *out) {
    return append(out, bytes, url, false);
}

/* The size without padding; SIZE_MAX if there is too little or too much of it. */
static size_t unpadded(struct cairn_slice text) {
    size_t size = text.size;
    while (size && text.data[size - 1] == '=' && text.size - size < 2)
        size--;
    if (size != text.size && text.size % 4 != 0)
        return SIZE_MAX;
    return size;
}

static bool decode(struct cairn_slice text, const unsigned char bits[256],
                   unsigned char *out, size_t *size) {
    size_t length = unpadded(text);
    if (length == SIZE_MAX || length % 4 == 1)
        return false;
    const unsigned char *in = (const unsigned char *)text.data;
    unsigned char *to = out;
    unsigned group = 0;
    for (size_t i = 0; i < length; i++) {
        if (!bits[in[i]])
            return false;
        group = group << 6 | (bits[in[i]] - 1U);
        if (i % 4 != 0) /* the first of four fills no byte yet */
            *to++ = (unsigned char)(group >> (6 - 2 * (i % 4)));
    }
    unsigned unused = length % 4 == 2 ? 15 : length % 4 == 3 ? 3 : 0;
    *size = (size_t)(to - out);
    return (group & unused) == 0;
}

bool base64_decode(struct cairn_slice text, unsigned char *out, size_t *size) {
    return decode(text, standard_bits, out, size);
}

bool base64url_decode(struct cairn_slice text, unsigned char *out, size_t *size) {
    return decode(text, url_bits, out, size);
}

bool base64url_fits(struct cairn_slice text) {
    unsigned any = 0; /* a character that is none makes its high bits ones */
    if (text.size % 4 != 3)
        return false;
    for (size_t i = 0; i < text.size; i++)
        any |= url_bits[(unsigned char)text.data[i]] - 1U;
    unsigned last = url_bits[(unsigned char)text.data[text.size - 1]] - 1U;
    return any < 64 && (last & 3) == 0;
}
