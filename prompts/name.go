package prompts

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// latin writes Russian in Latin letters, so that file names survive every
// system and archive. macOS writes й and ё as two characters.
var latin = strings.NewReplacer("и\u0306", "j", "е\u0308", "yo",
	"а", "a", "б", "b", "в", "v", "г", "g", "д", "d", "е", "e", "ё", "yo", "ж", "zh", "з", "z", "и", "i", "й", "j",
	"к", "k", "л", "l", "м", "m", "н", "n", "о", "o", "п", "p", "р", "r", "с", "s", "т", "t", "у", "u", "ф", "f",
	"х", "h", "ц", "c", "ч", "ch", "ш", "sh", "щ", "sch", "ъ", "", "ы", "y", "ь", "", "э", "e", "ю", "yu", "я", "ya",
	"'", "", "’", "")

// longestName bounds the name of a recording, without ".wav".
const longestName = 60

// clipName is the file name, without ".wav", of the recording of a text or of
// a word of package phrase. It depends on the text alone: a text that changes
// never plays its old recording.
func clipName(text string) string {
	text, final := strings.CutSuffix(text, ".")
	slug := strings.Join(strings.FieldsFunc(latin.Replace(strings.ToLower(text)), func(r rune) bool {
		return !(r >= 'a' && r <= 'z') && !(r >= '0' && r <= '9')
	}), "-")
	if len(slug) > longestName {
		sum := sha256.Sum256([]byte(slug))
		slug = strings.TrimRight(slug[:longestName-9], "-") + "-" + hex.EncodeToString(sum[:4])
	}
	if final {
		slug += "_end"
	}
	return slug
}
