// Command images makes a container image of one program and nothing else:
//
//	images -program FILE -name release-webhook -version 0.1.0 -created 2026-11-22T00:00:00Z -out FILE
//
// The program is linked statically, so that the image needs no base. The archive is what `docker load`, `podman load`,
// `kind load image-archive`, `ctr images import`, `skopeo copy docker-archive:` and `crane push` read. The same program and the
// same arguments make the same bytes.
package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nobody owns no file and has no name, as in the images that are called distroless.
const nobody = "65532:65532"

// architectures are the names of the image specification (GOARCH) for what an ELF header says.
var architectures = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}

type wanted struct {
	program, name, version, revision, out string
	created                               time.Time
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	var w wanted
	flag.StringVar(&w.program, "program", "", "the program, linked statically")
	flag.StringVar(&w.name, "name", "", "what the image and the program in it are called")
	flag.StringVar(&w.version, "version", "", "the image's tag")
	flag.StringVar(&w.revision, "revision", "", "the commit that it was built from")
	flag.StringVar(&w.out, "out", "", "the archive to write")
	created := flag.String("created", "", "when it was made, RFC 3339")
	flag.Parse()
	var err error
	if w.created, err = time.Parse(time.RFC3339, *created); err != nil {
		return fmt.Errorf("-created: %w", err)
	}
	tag, err := name.NewTag(w.name + ":" + w.version)
	if err != nil {
		return fmt.Errorf("-name or -version: %w", err)
	}
	image, err := w.image()
	if err != nil {
		return fmt.Errorf("%s: %w", w.program, err)
	}
	if err := tarball.WriteToFile(w.out, tag, image); err != nil {
		return fmt.Errorf("writing %s: %w", w.out, err)
	}
	return tell(w.out, image)
}

func (w wanted) image() (v1.Image, error) {
	architecture, err := static(w.program)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(w.program)
	if err != nil {
		return nil, err
	}
	archive, err := w.archive(content)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive)), nil
	})
	if err != nil {
		return nil, err
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: w.created}, CreatedBy: "make images"},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Architecture, config.OS, config.Created = architecture, "linux", v1.Time{Time: w.created}
	config.Config = v1.Config{
		User:       nobody,
		Entrypoint: []string{"/" + w.name},
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":    w.name,
			"org.opencontainers.image.version":  w.version,
			"org.opencontainers.image.revision": w.revision,
			"org.opencontainers.image.created":  w.created.Format(time.RFC3339),
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(image, config)
}

// static says for which architecture a program is, when it can run where there is no other file.
func static(path string) (string, error) {
	program, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	if err != nil {
		return "", err
	}
	if len(libraries) > 0 {
		return "", fmt.Errorf("is not linked statically, it needs %q", libraries)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return "", fmt.Errorf("is not linked statically, it names an interpreter")
		}
	}
	architecture, known := architectures[program.Machine]
	if !known {
		return "", fmt.Errorf("is for %s, for which nobody has tried this", program.Machine)
	}
	return architecture, nil
}

// archive holds one file, which nobody may write.
func (w wanted) archive(content []byte) ([]byte, error) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	header := tar.Header{Name: w.name, Mode: 0o555, Size: int64(len(content)), ModTime: w.created, Typeflag: tar.TypeReg}
	if err := writer.WriteHeader(&header); err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}

func tell(path string, image v1.Image) error {
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	size, err := layers[0].Size()
	if err != nil {
		return err
	}
	fmt.Printf("%s  %s  %.1f MB compressed\n", path, digest, float64(size)/1e6)
	return nil
}
