/* verify_signature.c -- verifies a signature of RFC 9421, section 3.3, with OpenSSL.
 *
 *     verify_signature ALGORITHM KEY SIGNATURE BASE
 *
 * All but the algorithm are files: the key in PEM, of hmac-sha256 its bytes. Exit code
 * 0 if it verifies, 1 if it does not, 2 if that could not be found out. */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 1 << 20, VERIFIED = 0, REFUSED = 1, UNCLEAR = 2 };

struct file {
    unsigned char bytes[FILE_MOST];
    size_t size;
};

static struct file key, signature, base;

static _Noreturn void die(const char *what) {
    fprintf(stderr, "verify_signature: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(UNCLEAR);
}

static void load(const char *name, struct file *out) {
    FILE *file = fopen(name, "rb");
    if (!file)
        die(name);
    out->size = fread(out->bytes, 1, sizeof out->bytes, file);
    if (ferror(file) || out->size == sizeof out->bytes)
        die(name);
    fclose(file);
}

static EVP_PKEY *public_key(void) {
    BIO *text = BIO_new_mem_buf(key.bytes, (int)key.size);
    EVP_PKEY *loaded = text ? PEM_read_bio_PUBKEY(text, NULL, NULL, NULL) : NULL;
    if (!loaded)
        die("no public key");
    BIO_free(text);
    return loaded;
}

/* `digest`: NULL where the algorithm has its own. */
static int verify(const char *digest, int is_pss, const unsigned char *bytes,
                  size_t size) {
    EVP_PKEY *loaded = public_key();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *settings; /* the context's */
    if (!context ||
        !EVP_DigestVerifyInit_ex(context, &settings, digest, NULL, NULL, loaded, NULL))
        die("cannot verify with this key");
    if (is_pss &&
        (EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) <= 0 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) <= 0))
        die("no RSA-PSS with this key");
    int valid = EVP_DigestVerify(context, bytes, size, base.bytes, base.size) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(loaded);
    return valid ? VERIFIED : REFUSED;
}

/* The standard writes r and s one after the other, OpenSSL reads them in DER. */
static int verify_ecdsa(void) {
    size_t half = signature.size / 2;
    unsigned char *encoded = NULL;
    if (signature.size != 64)
        return REFUSED;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.bytes, (int)half, NULL);
    BIGNUM *s = BN_bin2bn(signature.bytes + half, (int)half, NULL);
    if (!pair || !r || !s || !ECDSA_SIG_set0(pair, r, s))
        die("no memory");
    int size = i2d_ECDSA_SIG(pair, &encoded);
    if (size < 0)
        die("no memory");
    int outcome = verify("SHA256", 0, encoded, (size_t)size);
    OPENSSL_free(encoded);
    ECDSA_SIG_free(pair);
    return outcome;
}

static int verify_hmac(void) {
    unsigned char expected[EVP_MAX_MD_SIZE];
    unsigned size;
    if (!HMAC(EVP_sha256(), key.bytes, (int)key.size, base.bytes, base.size, expected,
              &size))
        die("no HMAC");
    int same = size == signature.size && memcmp(expected, signature.bytes, size) == 0;
    return same ? VERIFIED : REFUSED;
}

int main(int count, char **words) {
    if (count != 5)
        die("usage: verify_signature ALGORITHM KEY SIGNATURE BASE");
    load(words[2], &key);
    load(words[3], &signature);
    load(words[4], &base);
    if (strcmp(words[1], "rsa-pss-sha512") == 0)
        return verify("SHA512", 1, signature.bytes, signature.size);
    if (strcmp(words[1], "ed25519") == 0)
        return verify(NULL, 0, signature.bytes, signature.size);
    if (strcmp(words[1], "ecdsa-p256-sha256") == 0)
        return verify_ecdsa();
    if (strcmp(words[1], "hmac-sha256") == 0)
        return verify_hmac();
    die("no such algorithm");
}
