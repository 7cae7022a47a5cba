// Package v1alpha1 has the admission webhook of the Release kind, as kubebuilder scaffolds it.
package v1alpha1

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	openchoreov1alpha1 "peers/webhook/api/v1alpha1"
)

const (
	prefix        = "release.openchoreo.dev/"
	revisionKey   = prefix + "revision"
	changedByKey  = prefix + "changed-by"
	changedAtKey  = prefix + "changed-at"
	historyKey    = prefix + "history"
	historyLength = 30
	sizeLimit     = 1258291
)

var reservedLabels = []string{
	"openchoreo.dev/managed-by", "openchoreo.dev/release-resource-id", "openchoreo.dev/release-uid",
	"openchoreo.dev/release-name", "openchoreo.dev/release-namespace",
}

// SetupReleaseWebhookWithManager registers the webhook for Release in the manager.
func SetupReleaseWebhookWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &openchoreov1alpha1.Release{}).
		WithValidator(&ReleaseCustomValidator{}).
		WithDefaulter(&ReleaseCustomDefaulter{decoder: admission.NewDecoder(mgr.GetScheme())}).
		Complete()
}

// ReleaseCustomDefaulter sets defaults and stamps.
type ReleaseCustomDefaulter struct {
	decoder admission.Decoder
}

// record is one change of an object, unsigned.
type record struct {
	Revision int    `json:"revision"`
	Action   string `json:"action"`
	Content  string `json:"content"`
	By       string `json:"by"`
	At       string `json:"at"`
	Reason   string `json:"reason,omitempty"`
	Prev     string `json:"prev,omitempty"`
	Hash     string `json:"hash,omitempty"`
}

// Default implements admission.Defaulter.
func (d *ReleaseCustomDefaulter) Default(ctx context.Context, release *openchoreov1alpha1.Release) error {
	if release.Spec.Interval == nil {
		release.Spec.Interval = &metav1.Duration{Duration: 5 * time.Minute}
	}
	if release.Spec.ProgressingInterval == nil {
		progressing := 10 * time.Second
		if interval := release.Spec.Interval.Duration; interval > 0 && interval < progressing {
			progressing = interval
		}
		release.Spec.ProgressingInterval = &metav1.Duration{Duration: progressing}
	}
	request, err := admission.RequestFromContext(ctx)
	if err != nil {
		return err
	}
	var old *openchoreov1alpha1.Release
	if len(request.OldObject.Raw) > 0 {
		old = &openchoreov1alpha1.Release{}
		if err := d.decoder.DecodeRaw(request.OldObject, old); err != nil {
			return err
		}
	}
	return stamp(release, old, request.UserInfo.Username)
}

// content is the SHA-256 of the canonical spec: through a map, so that keys are sorted.
func content(spec *openchoreov1alpha1.ReleaseSpec) (string, error) {
	raw, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return "", err
	}
	canonical, err := json.Marshal(tree)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

func stamp(release, old *openchoreov1alpha1.Release, user string) error {
	if release.Annotations == nil {
		release.Annotations = map[string]string{}
	}
	stamped := []string{revisionKey, changedByKey, changedAtKey, historyKey}
	for _, key := range stamped {
		delete(release.Annotations, key)
	}
	now, err := content(&release.Spec)
	if err != nil {
		return err
	}
	var history []record
	if old != nil {
		before, err := content(&old.Spec)
		if err != nil {
			return err
		}
		if before == now {
			for _, key := range stamped {
				if value, ok := old.Annotations[key]; ok {
					release.Annotations[key] = value
				}
			}
			return nil
		}
		if text, ok := old.Annotations[historyKey]; ok {
			if err := json.Unmarshal([]byte(text), &history); err != nil {
				history = nil
			}
		}
	}
	next := record{Revision: 1, Action: "create", Content: now, By: user, At: time.Now().UTC().Format(time.RFC3339)}
	next.Reason = release.Annotations[prefix+"reason"]
	if len(history) > 0 {
		last := history[len(history)-1]
		next.Revision, next.Prev, next.Action = last.Revision+1, last.Hash, "update"
	}
	sealed, err := json.Marshal(next)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(sealed)
	next.Hash = hex.EncodeToString(sum[:])
	history = append(history, next)
	if len(history) > historyLength {
		history = history[len(history)-historyLength:]
	}
	text, err := json.Marshal(history)
	if err != nil {
		return err
	}
	release.Annotations[revisionKey] = strconv.Itoa(next.Revision)
	release.Annotations[changedByKey] = next.By
	release.Annotations[changedAtKey] = next.At
	release.Annotations[historyKey] = string(text)
	return nil
}

// ReleaseCustomValidator validates.
type ReleaseCustomValidator struct{}

// ValidateCreate implements admission.Validator.
func (v *ReleaseCustomValidator) ValidateCreate(_ context.Context, release *openchoreov1alpha1.Release) (admission.Warnings, error) {
	return nil, invalid(release, validate(release))
}

// ValidateUpdate implements admission.Validator.
func (v *ReleaseCustomValidator) ValidateUpdate(_ context.Context, old, release *openchoreov1alpha1.Release) (admission.Warnings, error) {
	faults := validate(release)
	spec := field.NewPath("spec")
	if release.Spec.Owner != old.Spec.Owner {
		faults = append(faults, field.Invalid(spec.Child("owner"), release.Spec.Owner, "cannot be changed after creation"))
	}
	if release.Spec.EnvironmentName != old.Spec.EnvironmentName {
		faults = append(faults, field.Invalid(spec.Child("environmentName"), release.Spec.EnvironmentName, "cannot be changed after creation"))
	}
	if release.Spec.TargetPlane != old.Spec.TargetPlane {
		faults = append(faults, field.Invalid(spec.Child("targetPlane"), release.Spec.TargetPlane, "cannot be changed after creation"))
	}
	return nil, invalid(release, faults)
}

// ValidateDelete implements admission.Validator.
func (v *ReleaseCustomValidator) ValidateDelete(context.Context, *openchoreov1alpha1.Release) (admission.Warnings, error) {
	return nil, nil
}

func invalid(release *openchoreov1alpha1.Release, faults field.ErrorList) error {
	if len(faults) == 0 {
		return nil
	}
	kind := openchoreov1alpha1.GroupVersion.WithKind("Release").GroupKind()
	return apierrors.NewInvalid(kind, release.Name, faults)
}

func validate(release *openchoreov1alpha1.Release) field.ErrorList {
	var faults field.ErrorList
	spec := field.NewPath("spec")
	if release.GenerateName != "" {
		faults = append(faults, field.Forbidden(field.NewPath("metadata", "generateName"), "write the name out"))
	}
	faults = append(faults, label(spec.Child("owner", "projectName"), release.Spec.Owner.ProjectName)...)
	faults = append(faults, label(spec.Child("owner", "componentName"), release.Spec.Owner.ComponentName)...)
	faults = append(faults, label(spec.Child("environmentName"), release.Spec.EnvironmentName)...)
	faults = append(faults, intervals(spec, &release.Spec)...)
	ids, objects, size := map[string]bool{}, map[string]bool{}, 0
	for i, resource := range release.Spec.Resources {
		path := spec.Child("resources").Index(i)
		if resource.ID == "" {
			faults = append(faults, field.Required(path.Child("id"), "give the resource an id"))
		}
		for _, message := range validation.IsValidLabelValue(resource.ID) {
			faults = append(faults, field.Invalid(path.Child("id"), resource.ID, message))
		}
		if ids[resource.ID] {
			faults = append(faults, field.Duplicate(path.Child("id"), resource.ID))
		}
		ids[resource.ID] = true
		if resource.Object == nil || len(resource.Object.Raw) == 0 || bytes.Equal(resource.Object.Raw, []byte("null")) {
			faults = append(faults, field.Required(path.Child("object"), "must be a Kubernetes object"))
			continue
		}
		size += len(resource.Object.Raw)
		faults = append(faults, object(path.Child("object"), resource.Object.Raw, objects)...)
	}
	if size > sizeLimit {
		faults = append(faults, field.TooLong(spec, "", sizeLimit))
	}
	return faults
}

func label(path *field.Path, value string) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "name it")}
	}
	var faults field.ErrorList
	for _, message := range validation.IsDNS1123Label(value) {
		faults = append(faults, field.Invalid(path, value, message))
	}
	return faults
}

func intervals(spec *field.Path, release *openchoreov1alpha1.ReleaseSpec) field.ErrorList {
	var faults field.ErrorList
	bounds := func(path *field.Path, duration *metav1.Duration) {
		if duration != nil && duration.Duration != 0 && (duration.Duration < time.Second || duration.Duration > 24*time.Hour) {
			faults = append(faults, field.Invalid(path, duration.Duration.String(), "write 0s, or between 1s and 24h"))
		}
	}
	bounds(spec.Child("interval"), release.Interval)
	bounds(spec.Child("progressingInterval"), release.ProgressingInterval)
	if release.Interval != nil && release.ProgressingInterval != nil && release.Interval.Duration > 0 &&
		release.ProgressingInterval.Duration > release.Interval.Duration {
		faults = append(faults, field.Invalid(spec.Child("progressingInterval"), release.ProgressingInterval.Duration.String(), "is longer than interval"))
	}
	return faults
}

func object(path *field.Path, raw []byte, seen map[string]bool) field.ErrorList {
	var faults field.ErrorList
	parsed := &unstructured.Unstructured{}
	if err := parsed.UnmarshalJSON(raw); err != nil {
		return field.ErrorList{field.Invalid(path, "", err.Error())}
	}
	kind := parsed.GroupVersionKind()
	if kind.Version == "" {
		faults = append(faults, field.Required(path.Child("apiVersion"), "write it out"))
	}
	if parsed.GetName() == "" {
		faults = append(faults, field.Required(path.Child("metadata", "name"), "name the object"))
	}
	if parsed.GetGenerateName() != "" {
		faults = append(faults, field.Forbidden(path.Child("metadata", "generateName"), "write the name out"))
	}
	if parsed.IsList() {
		faults = append(faults, field.Invalid(path.Child("kind"), kind.Kind, "a List is not an object"))
	}
	if kind.Group == openchoreov1alpha1.GroupVersion.Group {
		faults = append(faults, field.Invalid(path.Child("kind"), kind.Kind, "cannot be part of a release"))
	}
	identity := fmt.Sprintf("%s/%s/%s/%s", kind.Group, kind.Kind, parsed.GetNamespace(), parsed.GetName())
	if seen[identity] {
		faults = append(faults, field.Duplicate(path, identity))
	}
	seen[identity] = true
	for _, key := range reservedLabels {
		if _, ok := parsed.GetLabels()[key]; ok {
			faults = append(faults, field.Forbidden(path.Child("metadata", "labels").Key(key), "is set by the controller"))
		}
	}
	if kind.Group == "" && kind.Kind == "Secret" {
		for _, key := range []string{"data", "stringData"} {
			if _, ok := parsed.Object[key]; ok {
				faults = append(faults, field.Forbidden(path.Child(key), "a Secret's content would be readable by everybody who can read releases"))
			}
		}
	}
	return faults
}
