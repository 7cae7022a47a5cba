// Package v1alpha1 has the types of the API, as kubebuilder lays them out.
// +kubebuilder:object:generate=true
// +groupName=openchoreo.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/scheme"
)

var (
	// GroupVersion of the API.
	GroupVersion = schema.GroupVersion{Group: "openchoreo.dev", Version: "v1alpha1"}
	// SchemeBuilder registers its types.
	SchemeBuilder = &scheme.Builder{GroupVersion: GroupVersion}
	// AddToScheme adds them to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

// ReleaseOwner says whose a release is.
type ReleaseOwner struct {
	ProjectName   string `json:"projectName"`
	ComponentName string `json:"componentName"`
}

// Resource is one object of a release.
type Resource struct {
	ID string `json:"id"`
	// +kubebuilder:pruning:PreserveUnknownFields
	Object *runtime.RawExtension `json:"object"`
}

// ReleaseSpec is the desired state.
type ReleaseSpec struct {
	Owner               ReleaseOwner     `json:"owner"`
	EnvironmentName     string           `json:"environmentName"`
	TargetPlane         string           `json:"targetPlane,omitempty"`
	Resources           []Resource       `json:"resources,omitempty"`
	Interval            *metav1.Duration `json:"interval,omitempty"`
	ProgressingInterval *metav1.Duration `json:"progressingInterval,omitempty"`
}

// ReleaseStatus is the observed state.
type ReleaseStatus struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Release is the rendered result for one environment.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
type Release struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ReleaseSpec   `json:"spec,omitempty"`
	Status ReleaseStatus `json:"status,omitempty"`
}

// ReleaseList is a list of them.
// +kubebuilder:object:root=true
type ReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Release `json:"items"`
}

func init() {
	SchemeBuilder.Register(&Release{}, &ReleaseList{})
}
