package pbx

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"strings"
)

// Aliases are what stands in the place of numbers for those who may call and
// not know: "+7***4567~ABCD…", the number masked and then sealed. Who is given one
// may dial it, write it into an order and look for it; only the exchange can
// tell the number. The same number has the same alias, after a restart too.
type Aliases struct{ block cipher.Block }

// NewAliases seals with a secret that those who see aliases do not have.
func NewAliases(secret string) *Aliases {
	key := sha256.Sum256([]byte("cabline aliases of numbers\x00" + secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key is as long as it must be
	}
	return &Aliases{block}
}

// seal is base32, for it must survive SIP URIs (RFC 3261 §25.1) and people's hands.
var seal = base32.StdEncoding.WithPadding(base32.NoPadding)

const (
	aliasMark     = "~"
	international = 1 << 63 // the number has a plus sign
	lengthAt      = 56      // where the count of digits stands, above the digits
)

// Of is a number's alias; of a withheld one it is empty.
func (a *Aliases) Of(number Phone) string {
	digits := strings.TrimPrefix(number.Dialable(), "+")
	value, err := strconv.ParseUint(digits, 10, lengthAt)
	if err != nil || len(digits) > 15 {
		return "" // no number we have read
	}
	value |= uint64(len(digits)) << lengthAt
	if len(digits) < len(number) {
		value |= international
	}
	// One block is a permutation: equal numbers are equal, and eight bytes of
	// nothing show whether it was we who sealed it.
	var sealed [aes.BlockSize]byte
	binary.BigEndian.PutUint64(sealed[:], value)
	a.block.Encrypt(sealed[:], sealed[:])
	return number.String() + aliasMark + seal.EncodeToString(sealed[:])
}

// Phone is the number of an alias, of which nothing but the seal is needed.
func (a *Aliases) Phone(text string) (number Phone, ok bool) {
	_, code, found := strings.Cut(text, aliasMark)
	var sealed [aes.BlockSize]byte
	if !found || len(code) != seal.EncodedLen(len(sealed)) {
		return "", false
	}
	if _, err := seal.Decode(sealed[:], []byte(strings.ToUpper(code))); err != nil {
		return "", false
	}
	a.block.Decrypt(sealed[:], sealed[:])
	value := binary.BigEndian.Uint64(sealed[:])
	if binary.BigEndian.Uint64(sealed[8:]) != 0 {
		return "", false
	}
	digits := strconv.FormatUint(value&(1<<lengthAt-1), 10)
	length := int(value >> lengthAt & 15)
	if len(digits) > length {
		return "", false
	}
	digits = strings.Repeat("0", length-len(digits)) + digits
	if value&international != 0 {
		digits = "+" + digits
	}
	return Phone(digits), true
}
