// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// The permissions of everything that is unpacked. Files are readable by all,
// because a stage's container may run as another user than the one that
// unpacked them.
const (
	fileMode       fs.FileMode = 0o644
	executableMode fs.FileMode = 0o755
	folderMode     fs.FileMode = 0o755
)

// epoch is the time of every member of an archive, so that the same folder
// always gives the same bytes.
var epoch = time.Unix(0, 0).UTC()

// ReadFolder lists the files and symbolic links below a folder on disk. What is
// neither, such as a device or a socket, is an error.
func ReadFolder(dir string, limits Limits) ([]Member, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	defer root.Close()
	var (
		members []Member
		left    = limits.Unpacked
	)
	err = fs.WalkDir(root.FS(), ".", func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if len(members) == limits.Members {
			return fmt.Errorf("more than %d files", limits.Members)
		}
		m, err := readMember(root, p, entry, left)
		left -= int64(len(m.Content))
		members = append(members, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read folder %s: %w", dir, err)
	}
	return members, nil
}

func readMember(root *os.Root, p string, entry fs.DirEntry, left int64) (Member, error) {
	switch {
	case entry.Type() == fs.ModeSymlink:
		target, err := root.Readlink(p)
		return Member{Path: p, Link: target}, err
	case !entry.Type().IsRegular():
		return Member{}, fmt.Errorf("%q is neither a file nor a folder nor a symbolic link", p)
	}
	file, err := root.Open(p)
	if err != nil {
		return Member{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Member{}, err
	}
	content, err := io.ReadAll(io.LimitReader(file, left+1))
	if err == nil && int64(len(content)) > left {
		err = fmt.Errorf("larger than the limit at %q", p)
	}
	return Member{Path: p, Executable: info.Mode()&0o111 != 0, Content: content}, err
}

// packFolder makes a folder's archive. Members are named with the folder's own
// name in front, as ORAS expects.
func packFolder(name string, members []Member, limits Limits) ([]byte, error) {
	if len(members) > limits.Members {
		return nil, fmt.Errorf("%d members are more than %d", len(members), limits.Members)
	}
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.Path, b.Path) })

	var buffer bytes.Buffer
	compressor := gzip.NewWriter(&buffer)
	archive := tar.NewWriter(compressor)
	// The folder itself comes first, so that an empty one exists too.
	if err := archive.WriteHeader(folderHeader(name)); err != nil {
		return nil, err
	}
	seen := tree{}
	left := limits.Unpacked
	for _, m := range members {
		if err := checkPath(m.Path); err != nil {
			return nil, err
		}
		if err := seen.add(m.Path, false); err != nil {
			return nil, err
		}
		if left -= int64(len(m.Content)); left < 0 {
			return nil, fmt.Errorf("its files are larger than %d bytes together", limits.Unpacked)
		}
		if err := writeMember(archive, name, m); err != nil {
			return nil, fmt.Errorf("%q: %w", m.Path, err)
		}
	}
	if err := errors.Join(archive.Close(), compressor.Close()); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

func folderHeader(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: int64(folderMode), ModTime: epoch, Format: tar.FormatPAX}
}

func writeMember(archive *tar.Writer, folder string, m Member) error {
	header := &tar.Header{Name: path.Join(folder, m.Path), ModTime: epoch, Format: tar.FormatPAX}
	if m.Link != "" {
		if err := checkLink(m.Path, m.Link); err != nil {
			return err
		}
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, m.Link, 0o777
		return archive.WriteHeader(header)
	}
	header.Typeflag, header.Size, header.Mode = tar.TypeReg, int64(len(m.Content)), int64(fileMode)
	if m.Executable {
		header.Mode = int64(executableMode)
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(m.Content)
	return err
}

// unpackFolder writes an archive below root, which must not hold any of it yet.
func unpackFolder(root *os.Root, name string, blob io.Reader, limits Limits) error {
	compressed, err := gzip.NewReader(blob)
	if err != nil {
		return fmt.Errorf("not a gzip archive: %w", err)
	}
	archive := tar.NewReader(compressed)
	if err := root.MkdirAll(name, folderMode); err != nil {
		return err
	}
	var (
		seen  = tree{}
		left  = limits.Unpacked
		count int
	)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("broken archive: %w", err)
		}
		if count++; count > limits.Members+1 {
			return fmt.Errorf("more than %d members", limits.Members)
		}
		member, ok := strings.CutPrefix(strings.TrimSuffix(header.Name, "/"), name)
		if member == "" && ok && header.Typeflag == tar.TypeDir {
			continue // the folder itself
		}
		member, below := strings.CutPrefix(member, "/")
		if !ok || !below {
			return fmt.Errorf("member %q does not lie in it", header.Name)
		}
		if err := checkPath(member); err != nil {
			return fmt.Errorf("member: %w", err)
		}
		if err := seen.add(member, header.Typeflag == tar.TypeDir); err != nil {
			return err
		}
		if left -= header.Size; header.Size < 0 || left < 0 {
			return fmt.Errorf("its files are larger than %d bytes together", limits.Unpacked)
		}
		if err := unpackMember(root, path.Join(name, member), member, header, archive); err != nil {
			return err
		}
	}
	return nil
}

func unpackMember(root *os.Root, at, member string, header *tar.Header, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(at), folderMode); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(at, folderMode)
	case tar.TypeSymlink:
		if err := checkLink(member, header.Linkname); err != nil {
			return err
		}
		return root.Symlink(header.Linkname, at)
	case tar.TypeReg:
		mode := fileMode
		if header.Mode&0o111 != 0 {
			mode = executableMode
		}
		return writeFile(root, at, mode, content)
	default:
		return fmt.Errorf("member %q is neither a file nor a folder nor a symbolic link", member)
	}
}

// writeFile makes a file that must not exist yet.
func writeFile(root *os.Root, at string, mode fs.FileMode, content io.Reader) error {
	file, err := root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	// The process's umask must not hide the file from the stage's user.
	return errors.Join(err, file.Chmod(mode), file.Close())
}
