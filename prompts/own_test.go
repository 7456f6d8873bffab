package prompts

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/fstest"

	"cabline/media"
	"cabline/media/g711"
)

// wavFile is a mono WAV file of any format, those too which package wav refuses.
func wavFile(format, rate, bits int, data []byte) []byte {
	le := binary.LittleEndian
	f := append([]byte("RIFF\x00\x00\x00\x00WAVELIST\x03\x00\x00\x00abc\x00fmt "), 16, 0, 0, 0)
	f = le.AppendUint16(f, uint16(format))
	f = le.AppendUint16(f, 1)
	f = le.AppendUint32(f, uint32(rate))
	f = le.AppendUint32(f, uint32(rate*bits/8))
	f = le.AppendUint16(f, uint16(bits/8))
	f = le.AppendUint16(f, uint16(bits))
	f = append(f, "data"...)
	f = le.AppendUint32(f, uint32(len(data)))
	return append(f, data...)
}

func own(files map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for name, data := range files {
		fs[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return fs
}

func TestAFirmReplacesSounds(t *testing.T) {
	tone := []int16{0, 8000, -8000, 16000}
	var pcm, alaw, mulaw []byte
	for _, v := range tone {
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(v))
		alaw, mulaw = append(alaw, g711.EncodeALaw(v)), append(mulaw, g711.EncodeMuLaw(v))
	}
	for rule, file := range map[string][]byte{
		"PCM of 16 bits": wavFile(1, 8000, 16, pcm),
		"A-law":          wavFile(6, 8000, 8, alaw),
		"µ-law":          wavFile(7, 8000, 8, mulaw),
	} {
		t.Run(rule, func(t *testing.T) {
			v, err := Load("ru", own(map[string]string{"ru/dva.wav": string(file), "music.wav": string(file)}))
			if err != nil {
				t.Fatal(err)
			}
			speech := v.OrderStatus(Facts{Status: "accepted", Minutes: ptr(2)})
			at := len(speech) - 3 // dve is another word
			if speech[at].Name != "ru/dve" {
				t.Fatalf("said %v", said(speech))
			}
			speech = v.OrderStatus(Facts{Status: "completed", Price: 2})
			for _, c := range append(speech, v.Music()) {
				if c.Name != "ru/dva" && c.Name != "music" {
					continue
				}
				for i, v := range tone {
					if got := int(g711.DecodeALaw(c.ALaw[i])); abs(got-int(v)) > 600 {
						t.Errorf("%s: sample %d is %d, want %d", c.Name, i, got, v)
					}
				}
			}
		})
	}
}

func TestAFirmReplacesTexts(t *testing.T) {
	sound := string(wavFile(6, 8000, 8, make([]byte, 800)))
	v, err := Load("ru", own(map[string]string{
		"texts/ru.yaml": `
say: {greeting: "Добрый день!"}
orders:
  accepted: "Едем[, номер {plate_region}]."
  на дозвоне: Едем.
soon: пару минут`,
		"ru/dobryj-den.wav": sound, "ru/edem.wav": sound, "ru/nomer.wav": sound, "ru/paru-minut.wav": sound,
		"ru/zdravstvuite.wav": sound,
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rule string
		got  media.Speech
		want string
	}{
		{"a prompt has the firm's text", v.Say(Greeting), "dobryj-den"},
		{"the other prompts stay", v.Say(Invalid), "takogo-punkta-v-menyu-net"},
		{"an order has the firm's text and says the region", v.OrderStatus(Facts{Status: "accepted", Plate: "М123СТ02"}),
			"edem nomer em_end sto dvadcat tri_end es te_end nol dva_end"},
		{"a status of the dispatch system's own gets a text", v.OrderStatus(Facts{Status: "на дозвоне"}), "edem"},
		{"soon is the firm's", v.OrderStatus(Facts{Status: "late", Minutes: ptr(0)}),
			"voditel-nemnogo-zaderzhivaetsya podedet-cherez paru-minut prinosim-izvineniya"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := said(c.got); got != c.want {
				t.Errorf("said %q, want %q", got, c.want)
			}
		})
	}
	if got := strings.Join(v.Unused(), " "); got != "ru/zdravstvuite.wav" {
		t.Errorf("unused recordings are %q", got)
	}
}

func TestMistakesOfAFirmAreNamed(t *testing.T) {
	for _, c := range []struct {
		rule string
		own  map[string]string
		want []string
	}{
		{"a text without a recording", map[string]string{"texts/ru.yaml": "say: {greeting: Добрый день}"},
			[]string{"«Добрый день»", "ru/dobryj-den.wav"}},
		{"all texts without recordings at once", map[string]string{"texts/ru.yaml": "say: {greeting: Раз. Два три.}"},
			[]string{"ru/raz.wav", "ru/dva-tri.wav"}},
		{"a prompt that is none", map[string]string{"texts/ru.yaml": "say: {greting: Добрый день}"},
			[]string{"texts/ru.yaml", `"greting"`, "greeting"}},
		{"a key that is none", map[string]string{"texts/ru.yaml": "sey: {}"}, []string{"texts/ru.yaml", "sey"}},
		{"a fact that is none", map[string]string{"texts/ru.yaml": "orders: {new: 'Едет[ {colour}]'}"}, []string{"new", "{colour}", "{color}"}},
		{"a fact outside brackets", map[string]string{"texts/ru.yaml": "orders: {new: 'Едет {color}'}"}, []string{"new", "[ ]"}},
		{"a fact in a prompt", map[string]string{"texts/ru.yaml": "say: {sorry: 'Едет[ {color}]'}"}, []string{"sorry", "orders"}},
		{"a bracket left open", map[string]string{"texts/ru.yaml": "orders: {new: 'Едет[ {color}'}"}, []string{"]"}},
		{"a bracket closed twice", map[string]string{"texts/ru.yaml": "orders: {new: 'Едет]'}"}, []string{"bracket"}},
		{"brackets in brackets", map[string]string{"texts/ru.yaml": "orders: {new: 'Едет[ [{color}]]'}"}, []string{"nest"}},
		{"brackets without a fact", map[string]string{"texts/ru.yaml": "orders: {new: 'Едет[ скоро]'}"}, []string{"names no fact"}},
		{"an endless text", map[string]string{"texts/ru.yaml": "say: {sorry: " + strings.Repeat("а", 3000) + "}"}, []string{"longer"}},
		{"a recording that is no WAV", map[string]string{"ru/dva.wav": "ID3"}, []string{"ru/dva.wav", "not a WAV", "ffmpeg -i"}},
		{"a recording of CD quality", map[string]string{"ru/dva.wav": string(wavFile(1, 44100, 16, []byte{0, 0}))},
			[]string{"ru/dva.wav", "44100 Hz", "must be 8000 Hz", "ffmpeg -i"}},
		{"a recording of 8 bits", map[string]string{"ru/dva.wav": string(wavFile(1, 8000, 8, []byte{0, 0}))}, []string{"8 bits", "ffmpeg -i"}},
		{"a recording in another format", map[string]string{"ru/dva.wav": string(wavFile(49, 8000, 8, []byte{0, 0}))}, []string{"format 49"}},
		{"a recording of nothing", map[string]string{"ru/dva.wav": string(wavFile(6, 8000, 8, nil))}, []string{"without audio"}},
		{"a recording cut off", map[string]string{"ru/dva.wav": string(wavFile(6, 8000, 8, nil)[:30])}, []string{"ru/dva.wav"}},
		{"music that is no WAV", map[string]string{"music.wav": "MThd"}, []string{"music.wav"}},
		{"a recording of an hour", map[string]string{"ru/dva.wav": string(make([]byte, maxClip+1))}, []string{"too long"}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			_, err := Load("ru", own(c.own))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
		})
	}
}

func FuzzWAV(f *testing.F) {
	f.Add(wavFile(6, 8000, 8, []byte{1, 2, 3}))
	f.Add(wavFile(1, 8000, 16, []byte{1, 2, 3}))
	f.Add([]byte("RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if clip, err := decode(data); err == nil && (len(clip) == 0 || len(clip) > len(data)) {
			t.Errorf("%d bytes became %d samples", len(data), len(clip))
		}
	})
}

func FuzzSentence(f *testing.F) {
	f.Add("К вам выехал автомобиль[: {car}][, цвет {color}]. Ожидайте!")
	f.Add("[{plate}] - . [x {price}")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSentence(text)
		if err != nil {
			return
		}
		for _, said := range s.texts() {
			if strings.ContainsAny(said, "[]{}.!?") || strings.TrimSpace(said) == "" {
				t.Errorf("%q has the recording %q", text, said)
			}
		}
	})
}
