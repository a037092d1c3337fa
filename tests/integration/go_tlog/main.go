// A second opinion on a ledger's folder: golang.org/x/mod/sumdb, which is nobody's here, checks what C
// wrote, and writes what C is to check.
//
//	go_tlog check DIR               note, root from the entries, every tile, proofs through tiles
//	go_tlog receipt DIR INDEX FILE  a receipt that C made
//	go_tlog consistency DIR FILE    a consistency proof that C made ("old N", hashes, blank, checkpoint)
//	go_tlog prove DIR INDEX         makes a receipt
//	go_tlog prove-tree DIR OLD      makes a consistency proof
//	go_tlog sign                    makes a key and a note: two lines of keys, then the note
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go_tlog:", err)
		os.Exit(1)
	}
}

func refuse(format string, args ...interface{}) {
	must(fmt.Errorf(format, args...))
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	must(err)
	return n
}

// log is the folder, with all hashes computed from its entries.
type log struct {
	dir        string
	checkpoint []byte
	tree       tlog.Tree
	hashes     []tlog.Hash
	leaves     []tlog.Hash
}

func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, l.hashes[i])
	}
	return out, nil
}

func (l *log) file(path string) []byte {
	data, err := os.ReadFile(filepath.Join(l.dir, path))
	must(err)
	return data
}

// path is Go's path of a tile as c2sp.org/tlog-tiles has it.
func path(t tlog.Tile) string {
	p := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(p, "data/", "entries/", 1)
}

func (l *log) openNote() {
	verifier, err := note.NewVerifier(strings.TrimSuffix(string(l.file("vkey")), "\n"))
	must(err)
	l.checkpoint = l.file("checkpoint")
	n, err := note.Open(l.checkpoint, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		refuse("not a checkpoint: %q", n.Text)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	l.tree.N = number(lines[1])
	copy(l.tree.Hash[:], root)
}

func (l *log) readEntries() {
	for n := int64(0); n < l.tree.N; {
		width := l.tree.N - n
		if width > 1<<height {
			width = 1 << height
		}
		data := l.file(path(tlog.Tile{H: height, L: -1, N: n >> height, W: int(width)}))
		for i := int64(0); i < width; i++ {
			size := int(binary.BigEndian.Uint16(data))
			entry := data[2 : 2+size]
			data = data[2+size:]
			hashes, err := tlog.StoredHashes(n, entry, l)
			must(err)
			l.hashes = append(l.hashes, hashes...)
			l.leaves = append(l.leaves, tlog.RecordHash(entry))
			n++
		}
		if len(data) != 0 {
			refuse("bytes after the last entry before %d", n)
		}
	}
	root := tlog.Hash(sha256Empty)
	if l.tree.N > 0 {
		var err error
		root, err = tlog.TreeHash(l.tree.N, l)
		must(err)
	}
	if root != l.tree.Hash {
		refuse("the root of the entries is %v, the checkpoint's %v", root, l.tree.Hash)
	}
}

var sha256Empty = [32]byte{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
	0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}

func open(dir string) *log {
	l := &log{dir: dir}
	l.openNote()
	l.readEntries()
	return l
}

// The folder as a TileReader: what Go's client of a checksum database reads.
type tiles struct{ l *log }

func (t tiles) Height() int { return height }
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(filepath.Join(t.l.dir, path(tile)))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (l *log) check() {
	count := 0
	for _, tile := range tlog.NewTiles(height, 0, l.tree.N) {
		if whole := l.tree.N>>(height*uint(tile.L)) - tile.N<<height; int64(tile.W) < whole && tile.W < 1<<height {
			continue // older versions list the partial tiles of every smaller size too
		}
		data, err := tlog.ReadTileData(tile, l)
		must(err)
		if !bytes.Equal(data, l.file(path(tile))) {
			refuse("%s is not what the entries make", path(tile))
		}
		count++
	}
	reader := tlog.TileHashReader(l.tree, tiles{l})
	for i := int64(0); i < l.tree.N; i += 1 + l.tree.N/50 {
		proof, err := tlog.ProveRecord(l.tree.N, i, reader)
		must(err)
		must(tlog.CheckRecord(proof, l.tree.N, l.tree.Hash, i, l.leaves[i]))
	}
	fmt.Printf("%d entries, %d tiles, root %v\n", l.tree.N, count, l.tree.Hash)
}

// proofLines reads hashes up to an empty line, and the rest.
func proofLines(text string) ([]tlog.Hash, string) {
	var proof []tlog.Hash
	for {
		end := strings.IndexByte(text, '\n')
		if end < 0 {
			refuse("the proof has no end")
		}
		line := text[:end]
		text = text[end+1:]
		if line == "" {
			return proof, text
		}
		hash, err := tlog.ParseHash(line)
		must(err)
		proof = append(proof, hash)
	}
}

func (l *log) checkReceipt(index int64, file string) {
	data, err := os.ReadFile(file)
	must(err)
	head := fmt.Sprintf("c2sp.org/tlog-proof@v1\nindex %d\n", index)
	if !strings.HasPrefix(string(data), head) {
		refuse("the receipt does not begin with %q", head)
	}
	proof, rest := proofLines(string(data)[len(head):])
	if rest != string(l.checkpoint) {
		refuse("the receipt's checkpoint is not the log's")
	}
	must(tlog.CheckRecord(proof, l.tree.N, l.tree.Hash, index, l.leaves[index]))
}

func (l *log) rootAt(size int64) tlog.Hash {
	root, err := tlog.TreeHash(size, l)
	must(err)
	return root
}

func (l *log) checkConsistency(file string) {
	data, err := os.ReadFile(file)
	must(err)
	var old int64
	_, err = fmt.Sscanf(string(data), "old %d\n", &old)
	must(err)
	text := string(data)
	proof, _ := proofLines(text[strings.IndexByte(text, '\n')+1:])
	must(tlog.CheckTree(proof, l.tree.N, l.tree.Hash, old, l.rootAt(old)))
}

func printProof(proof []tlog.Hash) {
	for _, hash := range proof {
		fmt.Println(hash)
	}
	fmt.Println()
}

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 2 && args[0] == "check":
		open(args[1]).check()
	case len(args) == 4 && args[0] == "receipt":
		open(args[1]).checkReceipt(number(args[2]), args[3])
	case len(args) == 3 && args[0] == "consistency":
		open(args[1]).checkConsistency(args[2])
	case len(args) == 3 && args[0] == "prove":
		l := open(args[1])
		proof, err := tlog.ProveRecord(l.tree.N, number(args[2]), l)
		must(err)
		fmt.Printf("c2sp.org/tlog-proof@v1\nindex %s\n", args[2])
		printProof(proof)
		os.Stdout.Write(l.checkpoint)
	case len(args) == 3 && args[0] == "prove-tree":
		l := open(args[1])
		old := number(args[2])
		proof, err := tlog.ProveTree(l.tree.N, old, l)
		must(err)
		fmt.Println(l.rootAt(old))
		fmt.Println(l.tree.Hash)
		printProof(proof)
	case len(args) == 1 && args[0] == "sign":
		secret, public, err := note.GenerateKey(nil, "go.example/log")
		must(err)
		signer, err := note.NewSigner(secret)
		must(err)
		signed, err := note.Sign(&note.Note{Text: "go.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"}, signer)
		must(err)
		fmt.Println(public)
		os.Stdout.Write(signed)
	default:
		refuse("usage: see the top of main.go")
	}
}
