package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	pion "github.com/pion/srtp/v3"
)

// What is sealed is compared with what the RFCs say, written down once more here,
// from crypto/aes up: pion proves nothing by agreeing with itself.

// session is the keys of one way, of sound or of reports.
type session struct {
	profile         pion.ProtectionProfile
	key, salt, auth []byte
}

// What a key is for (RFC 3711 §4.3.2); of reports it is three more.
const (
	forCipher = iota
	forTag
	forSalt
)

// derive makes a session's key of the master's (RFC 3711 §4.3.1).
func derive(master, salt []byte, label byte, n int) []byte {
	iv := make([]byte, aes.BlockSize)
	copy(iv, salt)
	iv[7] ^= label
	return counted(master, iv, make([]byte, n))
}

// counted is AES in counter mode (RFC 3711 §4.1.1).
func counted(key, iv, b []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(b))
	cipher.NewCTR(block, iv).XORKeyStream(out, b)
	return out
}

func newSession(s suite, reports bool) session {
	var of byte
	if reports {
		of = 3
	}
	return session{
		s.profile,
		derive(s.master, s.salt, of+forCipher, len(s.master)),
		derive(s.master, s.salt, of+forSalt, len(s.salt)),
		derive(s.master, s.salt, of+forTag, sha1.Size),
	}
}

func (s session) gcm() bool {
	return s.profile == pion.ProtectionProfileAeadAes128Gcm || s.profile == pion.ProtectionProfileAeadAes256Gcm
}

// sound seals a packet with a head of 12 octets (RFC 3711 §3.1, RFC 7714 §8).
func (s session) sound(b []byte, rollover uint32) []byte {
	head, source, seq := b[:headerSize], binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:])
	if s.gcm() {
		return append(bytes.Clone(head), s.aead(source, uint64(rollover)<<16|uint64(seq), b[headerSize:], head)...)
	}
	sealed := append(bytes.Clone(head), counted(s.key, s.iv(source, uint64(rollover)<<16|uint64(seq)), b[headerSize:])...)
	size := 10
	if s.profile == pion.ProtectionProfileAes128CmHmacSha1_32 || s.profile == pion.ProtectionProfileAes256CmHmacSha1_32 {
		size = 4
	}
	return append(sealed, s.tag(binary.BigEndian.AppendUint32(bytes.Clone(sealed), rollover), size)...)
}

// report seals a report (RFC 3711 §3.4, RFC 7714 §9).
func (s session) report(b []byte, index uint32) []byte {
	head, source, count := b[:reportHead], binary.BigEndian.Uint32(b[4:]), binary.BigEndian.AppendUint32(nil, index|1<<31)
	if s.gcm() {
		sealed := append(bytes.Clone(head), s.aead(source, uint64(index), b[reportHead:], append(bytes.Clone(head), count...))...)
		return append(sealed, count...)
	}
	sealed := append(bytes.Clone(head), counted(s.key, s.iv(source, uint64(index)), b[reportHead:])...)
	sealed = append(sealed, count...)
	return append(sealed, s.tag(sealed, 10)...)
}

func (s session) iv(source uint32, index uint64) []byte {
	iv := make([]byte, aes.BlockSize)
	binary.BigEndian.PutUint32(iv[4:], source)
	binary.BigEndian.PutUint64(iv[6:], uint64(source)<<48|index)
	for i, b := range s.salt {
		iv[i] ^= b
	}
	return append(iv[:14:14], 0, 0)
}

func (s session) tag(b []byte, size int) []byte {
	h := hmac.New(sha1.New, s.auth)
	h.Write(b)
	return h.Sum(nil)[:size]
}

func (s session) aead(source uint32, index uint64, b, head []byte) []byte {
	block, err := aes.NewCipher(s.key)
	if err != nil {
		panic(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	iv := binary.BigEndian.AppendUint32([]byte{0, 0}, source)
	iv = append(iv, binary.BigEndian.AppendUint64(nil, index)[2:]...)
	for i, b := range s.salt {
		iv[i] ^= b
	}
	return seal.Seal(nil, iv, b, head)
}

// octets reads what RFCs print.
func octets(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestTheReferenceSealsAsTheRFCsDo(t *testing.T) {
	is := func(what string, got []byte, want string) {
		t.Helper()
		if !bytes.Equal(got, octets(want)) {
			t.Errorf("%s: %x", what, got)
		}
	}
	is("RFC 3711 B.2", session{
		key:  octets("2B7E151628AED2A6ABF7158809CF4F3C"),
		salt: octets("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"),
	}.keystream(48), `E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0`)

	of := newSession(suites[0], false)
	is("RFC 3711 B.3, cipher key", of.key, "C61E7A93744F39EE10734AFE3FF7A087")
	is("RFC 3711 B.3, cipher salt", of.salt, "30CBBC08863D8C85D49DB34A9AE1")
	is("RFC 3711 B.3, auth key", of.auth, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")

	quoted := session{profile: pion.ProtectionProfileAeadAes128Gcm,
		key: octets("000102030405060708090a0b0c0d0e0f"), salt: octets("517569642070726f2071756f")}
	is("RFC 7714 §16.1.1", quoted.sound(octets(`8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
		69736120 696e2070 61727465 73207472 6573`), 0), `8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
		0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`)
	is("RFC 7714 §17.1", quoted.report(octets(`81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
		deadbeef deadbeef deadbeef deadbeef deadbeef`), 0x5d4), `81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
		c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`)
}

// keystream is what is laid over the first packet of source 0.
func (s session) keystream(n int) []byte { return counted(s.key, s.iv(0, 0), make([]byte, n)) }
